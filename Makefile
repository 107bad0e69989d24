# pg_kappa: continuous queries over Kafka, inside PostgreSQL.
#
#   make, make install, make installcheck    as for any extension (PGXS, PG_CONFIG= honoured)
#   make demo, make test, make bench         install what is missing, keep everything under build/

EXTENSION  = pg_kappa
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" pg_kappa.control)

MODULE_big = pg_kappa
OBJS = $(sort $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c)) \
              $(patsubst %.cc,%.o,$(wildcard src/*/*.cc)))

# The install script is the fragments of sql/install, in the order of their names.
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql

PG_CPPFLAGS  = -I$(srcdir)/src -D_GNU_SOURCE
PG_CXXFLAGS  = -std=c++17 -O3 -fPIC -fno-exceptions -fno-rtti
SHLIB_LINK   = -lrdkafka -lsimdjson -lstdc++
EXTRA_CLEAN  = $(DATA_built)

# The bitcode of PostgreSQL's JIT would be of no use here: workers run with JIT off.
with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# PGXS knows no header dependencies.
$(OBJS): $(wildcard src/*.h src/*/*.h) Makefile

sql/$(EXTENSION)--$(EXTVERSION).sql: $(sort $(wildcard sql/install/*.sql)) pg_kappa.control
	cat $(sort $(wildcard sql/install/*.sql)) > $@
