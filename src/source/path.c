/*-------------------------------------------------------------------------
 *
 * path.c
 *	  The option "path" of a column: where in a JSON document it lies.
 *
 * Two spellings: names with dots between them (place.city), and a JSON Pointer
 * (RFC 6901: /lines/0/sku, where ~1 stands for a slash and ~0 for a tilde).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/value.h"

#include "source/decode.h"

/* Descending recurses, so there has to be a limit. */
#define MAX_PATH_STEPS	64

/* One step of a pointer, its escapes taken for what they mean; in place. */
static bool
unescape_step(char *step)
{
	char	   *dst = step;

	for (; *step != '\0'; step++)
	{
		if (*step == '~')
		{
			step++;
			if (*step != '0' && *step != '1')
				return false;
			*dst++ = *step == '0' ? '~' : '/';
		}
		else
			*dst++ = *step;
	}
	*dst = '\0';
	return true;
}

/*
 * The steps of a path, as a list of strings.  Errors if it is none.
 */
List *
column_path_parse(const char *path)
{
	bool		pointer = path[0] == '/';
	const char *start = pointer ? path + 1 : path;
	List	   *result = NIL;

	for (;;)
	{
		const char *end = strchr(start, pointer ? '/' : '.');
		char	   *step = end != NULL ? pnstrdup(start, end - start) : pstrdup(start);

		if (pointer ? !unescape_step(step) : *step == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid path: \"%s\"", path),
					 pointer
					 ? errdetail("In a JSON Pointer, \"~\" is written \"~0\" and \"/\" in a name \"~1\".")
					 : errhint("A name that is empty or holds a dot needs a JSON Pointer, such as \"/a/b.c\".")));
		result = lappend(result, makeString(step));
		if (list_length(result) > MAX_PATH_STEPS)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid path: \"%s\"", path),
					 errdetail("It has more than %d steps.", MAX_PATH_STEPS)));
		if (end == NULL)
			return result;
		start = end + 1;
	}
}
