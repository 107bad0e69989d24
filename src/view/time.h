/*-------------------------------------------------------------------------
 *
 * time.h
 *	  The functions that compute windows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_TIME_H
#define KAPPA_VIEW_TIME_H

typedef enum WindowFunction
{
	WINDOW_NONE,				/* no window function */
	WINDOW_TUMBLE,				/* tumble; date_trunc and date_bin count as it */
	WINDOW_HOP,
	WINDOW_SESSION
} WindowFunction;

extern WindowFunction window_function(Oid funcid);

#endif							/* KAPPA_VIEW_TIME_H */
