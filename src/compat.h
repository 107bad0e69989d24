/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences between PostgreSQL 15, 16, 17 and 18, in one place.
 *
 * Each macro or inline function here has the newest version's shape; code
 * elsewhere is written for that shape and holds no test of PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_COMPAT_H
#define KAPPA_COMPAT_H

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pg_kappa works with PostgreSQL 15 to 18"
#endif

/* 18: ExecutorRun lost its argument execute_once. */
#if PG_VERSION_NUM < 180000
#define ExecutorRun(desc, direction, count) \
	(ExecutorRun) (desc, direction, count, true)
#endif

/* 17: a wait event set belongs to a resource owner, not to a memory context. */
#if PG_VERSION_NUM < 170000
#define CreateWaitEventSet(owner, nevents) \
	(CreateWaitEventSet) (TopMemoryContext, nevents)
#endif

#endif							/* KAPPA_COMPAT_H */
