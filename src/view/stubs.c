/*-------------------------------------------------------------------------
 *
 * stubs.c
 *	  What this room does not do yet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "view/view.h"

#define NOT_YET(what) \
	ereport(ERROR, \
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), \
			 errmsg("%s is not supported yet", what)))

void
view_init(void)
{
}

ObjectAddress
view_create(CreateContinuousViewStmt *stmt, const char *query_string,
			int stmt_location, int stmt_len)
{
	NOT_YET("CREATE CONTINUOUS VIEW");
	return InvalidObjectAddress;
}

bool
view_exists(Oid relid)
{
	return false;
}

void
view_set_options(Oid view, List *options)
{
	NOT_YET("ALTER CONTINUOUS VIEW ... SET");
}

void
view_follow_owner(Oid view)
{
}

void
view_check_utility(Node *parsetree)
{
}

int
view_finish_drops(void)
{
	return 0;
}

ContinuousView *
view_get(Oid view)
{
	NOT_YET("reading a continuous view's definition");
	return NULL;
}

List *
view_list(void)
{
	return NIL;
}

void
view_check_owner(Oid view)
{
	NOT_YET("checking a continuous view's owner");
}

void
view_check_select(Oid view)
{
	NOT_YET("checking rights on a continuous view");
}

ConsumerPosition *
view_position(const ContinuousView *cv)
{
	NOT_YET("reading a consumer's position");
	return NULL;
}

bool
view_resolve_start(const ContinuousView *cv, StreamReader *reader, int timeout_ms)
{
	NOT_YET("resolving the start of a continuous view");
	return false;
}
