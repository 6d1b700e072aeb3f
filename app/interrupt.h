/* SIGINT and SIGTERM end a run early with whole partial results; a second one kills as usual. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <signal.h>

/* Installs the handlers; the word becomes the signal's number. */
const volatile sig_atomic_t *interrupt_watch(void);

/* 128 + the signal's number (vexit(1), EXIT STATUS). */
int interrupt_exit_code(void);

#endif
