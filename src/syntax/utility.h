/*-------------------------------------------------------------------------
 *
 * utility.h
 *	  A utility statement on its way through this room.
 *
 * For the files of this room only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_UTILITY_H
#define KAPPA_UTILITY_H

#include "tcop/utility.h"

/* A call of ProcessUtility, and what becomes of it. */
typedef struct Utility
{
	PlannedStmt *pstmt;
	const char *text;
	bool		read_only_tree;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *environment;
	DestReceiver *dest;
	QueryCompletion *qc;

	bool		done;			/* carried out: nothing left to be passed on */
	CommandTag	tag;			/* if the statement became another one */
	Oid			new_owner_of;	/* a continuous view that gets another owner */
} Utility;

/* ---- utility.c: what every kind of statement asks */

/* Is there something of ours in this database that a statement could touch? */
extern bool utility_installed(void);
extern void utility_require_installed(const char *command);

/* What PostgreSQL asks before statements that write. */
extern void utility_require_writable(const char *command);

/* Was CONTINUOUS written before this name, or (NULL) as second word? */
extern bool utility_written(const Utility *u, const RangeVar *name);

/*
 * The statement as a copy of our own, to be changed and passed on under
 * another tag.
 */
extern Node *utility_become(Utility *u, CommandTag tag);

/* ---- create.c: CREATE, in all its spellings, and EXPLAIN of it */

extern void create_materialized_view(Utility *u, CreateTableAsStmt *ctas);
extern void create_view(Utility *u, ViewStmt *view);
extern void create_schema(Utility *u, CreateSchemaStmt *schema);
extern void explain_create(Utility *u, ExplainStmt *stmt);

/* ---- alter.c: statements about views that are there */

extern void alter_view(Utility *u, AlterTableStmt *stmt);
extern void alter_view_rename(Utility *u, RenameStmt *stmt);
extern void alter_view_schema(Utility *u, AlterObjectSchemaStmt *stmt);
extern void alter_view_refused(Utility *u, const RangeVar *name, const char *clause);
extern void drop_view(Utility *u, DropStmt *stmt);
extern void comment_on_view(Utility *u, CommentStmt *stmt);
extern void refresh_view(Utility *u, RefreshMatViewStmt *stmt);

/* ---- database.c: commands that want a database for themselves */

extern void database_wanted(const char *database);
extern void database_copied(CreatedbStmt *stmt);
extern void database_altered(AlterDatabaseStmt *stmt);

#endif							/* KAPPA_UTILITY_H */
