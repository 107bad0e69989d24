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

/* 16: what is in a varlena has a header of its own. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18: EXPLAIN's state and its output functions have headers of their own. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#else
#include "commands/explain.h"
#endif

/* The originals must be declared before the macros that take their names. */
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/pathnode.h"
#include "storage/latch.h"

/* 18: ExecutorRun lost its argument execute_once. */
#if PG_VERSION_NUM < 180000
#define ExecutorRun(desc, direction, count) \
	(ExecutorRun) (desc, direction, count, true)
#endif

/* 17: internal subtransactions may begin while workers run in parallel. */
#if PG_VERSION_NUM < 170000
#define subtransaction_is_possible()	(!IsInParallelMode())
#else
#define subtransaction_is_possible()	(true)
#endif

/* 18: written before the declaration, as C11's _Noreturn. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn		pg_attribute_noreturn()
#endif

/* 18: NOT NULL is a constraint of a table, with a row in pg_constraint. */
#if PG_VERSION_NUM < 180000
#define CONSTRAINT_NOTNULL	'n'
#endif

/* 17: a wait event set belongs to a resource owner, not to a memory context. */
#if PG_VERSION_NUM < 170000
#define CreateWaitEventSet(owner, nevents) \
	(CreateWaitEventSet) (TopMemoryContext, nevents)
#endif

/* 16: one function checks the owner of any object. */
#if PG_VERSION_NUM < 160000
#define object_ownercheck(class, object, role) \
	((class) == RelationRelationId ? pg_class_ownercheck(object, role) : \
	 (class) == DatabaseRelationId ? pg_database_ownercheck(object, role) : false)
#endif

/* 16: so does one function check rights on it. */
#if PG_VERSION_NUM < 160000
#define object_aclcheck(class, object, role, mode) \
	((class) == TableSpaceRelationId ? pg_tablespace_aclcheck(object, role, mode) : \
	 ACLCHECK_NO_PRIV)
#endif

/* 16: SysCacheGetAttrNotNull */
#if PG_VERSION_NUM < 160000
#define SysCacheGetAttrNotNull(cache, tuple, attnum) \
	SysCacheGetAttr(cache, tuple, attnum, &(bool) {false})
#endif

/*
 * Parse trees.  Callers of these include nodes/parsenodes.h and the header that
 * declares what is wrapped.
 */

/* 16: flatten_join_alias_vars got a PlannerInfo, which may be NULL. */
#if PG_VERSION_NUM < 160000
#define flatten_join_alias_vars(root, query, node) \
	(flatten_join_alias_vars) (query, node)
#endif

/* 16: columns that a query reads moved from the range table to RTEPermissionInfo. */
#if PG_VERSION_NUM < 160000
#define rte_selected_columns(query, rte) \
	((rte)->selectedCols)
#else
#define rte_selected_columns(query, rte) \
	(getRTEPermissionInfo((query)->rteperminfos, rte)->selectedCols)
#endif

/*
 * 18: the grouped expressions stand in a range table entry of their own, the
 * last one.  Puts them back where they are used, as before.
 */
#if PG_VERSION_NUM < 180000
#define query_remove_group_rte(query) \
	((void) (query))
#else
#define query_remove_group_rte(query) \
	do { \
		if ((query)->hasGroupRTE) \
		{ \
			(query)->targetList = (List *) \
				flatten_group_exprs(NULL, query, (Node *) (query)->targetList); \
			(query)->havingQual = \
				flatten_group_exprs(NULL, query, (query)->havingQual); \
			(query)->rtable = list_delete_last((query)->rtable); \
			(query)->hasGroupRTE = false; \
		} \
	} while (0)
#endif

/* 18: a count of disabled nodes; 17: the restrictions that the wrapper applies. */
#if PG_VERSION_NUM < 170000
#define create_foreignscan_path(root, rel, target, rows, disabled_nodes, startup_cost, \
								total_cost, pathkeys, required_outer, fdw_outerpath, \
								fdw_restrictinfo, fdw_private) \
	(create_foreignscan_path) (root, rel, target, rows, startup_cost, total_cost, \
							   pathkeys, required_outer, fdw_outerpath, fdw_private)
#elif PG_VERSION_NUM < 180000
#define create_foreignscan_path(root, rel, target, rows, disabled_nodes, startup_cost, \
								total_cost, pathkeys, required_outer, fdw_outerpath, \
								fdw_restrictinfo, fdw_private) \
	(create_foreignscan_path) (root, rel, target, rows, startup_cost, total_cost, \
							   pathkeys, required_outer, fdw_outerpath, \
							   fdw_restrictinfo, fdw_private)
#endif

/*
 * 16: the rights that a statement needs moved from the range table to
 * RTEPermissionInfo, and ExecutorCheckPerms_hook gets both.
 */
#if PG_VERSION_NUM < 160000
typedef RangeTblEntry RTEPermissionInfo;
#define CHECK_PERMISSIONS_PARAMETERS	List *permissions, bool report
#define CHECK_PERMISSIONS_ARGUMENTS		permissions, report
#else
#define CHECK_PERMISSIONS_PARAMETERS	List *range_table, List *permissions, bool report
#define CHECK_PERMISSIONS_ARGUMENTS		range_table, permissions, report
#endif

/* 16: whose rights a foreign scan has is in the plan, not in the range table. */
#if PG_VERSION_NUM < 160000
#define foreign_scan_check_as(node) \
	(exec_rt_fetch(((ForeignScan *) (node)->ss.ps.plan)->scan.scanrelid, \
				   (node)->ss.ps.state)->checkAsUser)
#else
#define foreign_scan_check_as(node) \
	(((ForeignScan *) (node)->ss.ps.plan)->checkAsUser)
#endif

/*
 * 16: whose rights a target of INSERT is written with; for a partition, what
 * holds for its root.
 */
#if PG_VERSION_NUM < 160000
static inline Oid
ExecGetResultRelCheckAsUser(ResultRelInfo *target, EState *estate)
{
	Index		rti = target->ri_RangeTableIndex;
	Oid			userid = InvalidOid;

	if (rti == 0 && target->ri_RootResultRelInfo)
		rti = target->ri_RootResultRelInfo->ri_RangeTableIndex;
	if (rti > 0)
		userid = exec_rt_fetch(rti, estate)->checkAsUser;
	return OidIsValid(userid) ? userid : GetUserId();
}
#endif

#endif							/* KAPPA_COMPAT_H */
