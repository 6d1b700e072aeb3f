/* The command line's verbs. Each takes its own argv (argv[0] is the verb) and returns the process's exit code. */
#ifndef VERBS_H
#define VERBS_H

int vx_verb_run(int argc, char **argv);
int vx_verb_compare(int argc, char **argv);
int vx_verb_walk(int argc, char **argv);
int vx_verb_io(int argc, char **argv);
int vx_verb_launch(int argc, char **argv);
int vx_verb_trace(int argc, char **argv);
int vx_verb_model(int argc, char **argv);
int vx_verb_vmx(int argc, char **argv);
int vx_verb_svm(int argc, char **argv);
int vx_verb_list(int argc, char **argv);

#endif
