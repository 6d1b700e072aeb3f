/* vexit trace: shows, checks, cuts, makes and imports traces. */
#ifndef VX_VERB_TRACE_H
#define VX_VERB_TRACE_H

/* argv[0] is "trace". Returns the process's exit code. */
int vx_verb_trace(int argc, char **argv);

#endif
