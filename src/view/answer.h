/*-------------------------------------------------------------------------
 *
 * answer.h
 *	  The batch answer of a continuous view: its
 *	  definition over a bounded stretch of the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef KAPPA_VIEW_ANSWER_H
#define KAPPA_VIEW_ANSWER_H

#include "view/view.h"

typedef struct AnswerSummary
{
	int64		messages;		/* between the start and the next offsets */
	int64		dead_letters;	/* of them, left out as the view left them out */
	int64		ahead;			/* of them, too far ahead to move a watermark */
	bool		compacted;		/* the log may have lost messages in between */
} AnswerSummary;

/*
 * Sends the rows of the batch answer, from the view's start offsets to its
 * next offsets as the active snapshot sees them, to dest.  Errors if the topic
 * no longer holds those messages, or if the broker does not answer.
 */
extern AnswerSummary view_batch_answer(const ContinuousView *cv, const ConsumerPosition *position,
									   DestReceiver *dest);

#endif							/* KAPPA_VIEW_ANSWER_H */
