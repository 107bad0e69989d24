/*-------------------------------------------------------------------------
 *
 * plans.c
 *	  Statements that a session prepares once and runs often.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"

#include "worker/worker_internal.h"

/*
 * Runs a statement inside SPI_connect; rows come in SPI_tuptable.  It sees
 * what has been committed until now.  limit 0: all rows.
 */
uint64
saved_plan_run(SavedPlan *plan, Datum *values, const char *nulls, long limit)
{
	int			rc;

	if (plan->plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare(plan->sql, plan->nargs, plan->types);

		if (prepared == NULL || SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", plan->sql,
				 SPI_result_code_string(SPI_result));
		plan->plan = prepared;
	}

	rc = SPI_execute_plan(plan->plan, values, nulls, false, limit);
	if (rc < 0)
		elog(ERROR, "could not execute \"%s\": %s", plan->sql, SPI_result_code_string(rc));
	return SPI_processed;
}
