/*-------------------------------------------------------------------------
 *
 * between.h
 *	  The plain views between a definition and its stream.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_BETWEEN_H
#define KAPPA_VIEW_BETWEEN_H

/*
 * A continuous view that reads its stream by way of this plain view; InvalidOid
 * if there is none.
 */
extern Oid	between_find(Oid relid);

#endif							/* KAPPA_VIEW_BETWEEN_H */
