/* the keyword hook: follows */
#include "postgres.h"
#include "syntax/syntax.h"

void
syntax_init(void)
{
}
