/*-------------------------------------------------------------------------
 *
 * encoding.c
 *	  From UTF-8, which JSON is in, to the encoding of the database.
 *
 * In a database in UTF8, and in one in SQL_ASCII, which knows no encoding, there
 * is nothing to do.  For others PostgreSQL's own conversions are called in such
 * a way that they do not throw.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"

#include "source/decode.h"

/*
 * The conversion that texts need; invalid: none.  Errors if there is none to be
 * had.
 */
Oid
encoding_conversion(void)
{
	Oid			result;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return InvalidOid;
	result = FindDefaultConversionProc(PG_UTF8, GetDatabaseEncoding());
	if (!OidIsValid(result))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("there is no conversion from UTF8, which messages are in, to this database's encoding %s",
						GetDatabaseEncodingName())));
	return result;
}

/*
 * Converts valid UTF-8 into dst, which has room for ENCODED_SIZE(len) bytes, and
 * terminates it.  False: the encoding does not have all the characters.
 */
bool
encoding_convert(Oid conversion, const char *text, Size len, char *dst)
{
	if (ENCODED_SIZE(len) > PG_INT32_MAX)
		return false;
	return pg_do_encoding_conversion_buf(conversion, PG_UTF8, GetDatabaseEncoding(),
										 (unsigned char *) unconstify(char *, text), len,
										 (unsigned char *) dst, ENCODED_SIZE(len), true) == len;
}
