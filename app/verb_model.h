/* vexit model: lists, shows, checks and compares models. */
#ifndef VX_VERB_MODEL_H
#define VX_VERB_MODEL_H

/* argv[0] is "model". Returns the process's exit code. */
int vx_verb_model(int argc, char **argv);

#endif
