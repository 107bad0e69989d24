# pg_kappa: continuous queries over Kafka, inside PostgreSQL.
#
#   make, make install, make installcheck    as for any extension (PGXS, PG_CONFIG= honoured);
#                                            installcheck: a running server with pg_kappa preloaded
#   make demo, make test, make bench         install what is missing, keep everything under build/
#   make bench-memory                        what a worker's memory does over long backlogs
#   make demo KEEP=1, make demo-stop         leaves the demo running; stops it
#   make test ONLY=pattern                   the test files whose path matches
#   make test-matrix                         make test in newer Debian releases (root)

all:
.PHONY: demo demo-stop test test-matrix bench bench-memory

# These find (or install) a PostgreSQL themselves and call make again with its PG_CONFIG.
demo:
	@demo/run.sh

demo-stop:
	@if [ -e build/stop ]; then build/stop; else echo "no demo is running"; fi

test:
	@test/run.sh

test-matrix:
	@test/matrix.sh

bench:
	@bench/run.sh

bench-memory:
	@bench/memory.sh

ifneq ($(filter-out demo demo-stop test test-matrix bench bench-memory,$(or $(MAKECMDGOALS),all)),)

EXTENSION  = pg_kappa
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" pg_kappa.control)

MODULE_big = pg_kappa
OBJS = $(sort $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c)) \
              $(patsubst %.cc,%.o,$(wildcard src/*/*.cc)))

# The install script is the fragments of sql/install, in the order of their names.
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql

PG_CPPFLAGS  = -I$(srcdir)/src -D_GNU_SOURCE
PG_CXXFLAGS  = -std=c++17 -O3 -fPIC -fno-exceptions -fno-rtti
# -Bsymbolic: our calls reach our functions, whatever other extensions call theirs.
SHLIB_LINK   = -Wl,-Bsymbolic -lrdkafka -lsimdjson -lstdc++
EXTRA_CLEAN  = $(DATA_built)

# Files in test/sql and test/specs; the expected output of both is in expected/.
# OUTPUT is where pg_regress writes (and first looks for sql/ and expected/).
OUTPUT         = .
REGRESS        = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=test --outputdir=$(OUTPUT)
ifneq ($(wildcard test/specs/*.spec),)
ISOLATION      = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=$(OUTPUT)
endif

# The bitcode of PostgreSQL's JIT would be of no use here: workers run with JIT off.
override with_llvm = no

ifeq ($(PG_CONFIG),)
PG_CONFIG = pg_config
endif
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error $(PG_CONFIG) is missing: install PostgreSQL's server headers (Debian: postgresql-server-dev-15) or set PG_CONFIG)
endif
include $(PGXS)

# PGXS knows no header dependencies.
$(OBJS): $(wildcard src/*.h src/*/*.h) Makefile

sql/$(EXTENSION)--$(EXTVERSION).sql: $(sort $(wildcard sql/install/*.sql)) pg_kappa.control
	cat $(sort $(wildcard sql/install/*.sql)) > $@

endif
