/*-------------------------------------------------------------------------
 *
 * syntax.h
 *	  CREATE, ALTER, DROP and REFRESH CONTINUOUS VIEW on the stock parser.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_SYNTAX_H
#define KAPPA_SYNTAX_H

extern void syntax_init(void);

#endif							/* KAPPA_SYNTAX_H */
