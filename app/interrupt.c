#include "interrupt.h"

static volatile sig_atomic_t caught;

static void on_signal(int number) { caught = number; }

const volatile sig_atomic_t *interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &caught;
}

int interrupt_exit_code(void) { return 128 + (int)caught; }
