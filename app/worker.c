#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child writes: a status byte, then JSON or the message. */
typedef struct job {
    pid_t child; /* 0: not started, or done */
    int pipe;
    char *text;
    size_t used, room;
    bool done;
    bool told; /* to stop: once, for a second signal would kill it */
} job;

unsigned worker_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return (unsigned)CPU_COUNT(&set);
}

static void write_all(int out, const char *data, size_t bytes)
{
    while (bytes) {
        ssize_t wrote = write(out, data, bytes);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) _exit(1); /* the parent is gone */
        data += wrote;
        bytes -= (size_t)wrote;
    }
}

static _Noreturn void work_in_child(int out, unsigned index, worker_fn work, void *context)
{
    vx_msg msg = {{0}};
    json_t *run = NULL;
    vx_status status = work(context, index, &run, &msg);
    bool whole = status == VX_OK || status == VX_ERR_INTERRUPTED;
    char *text = whole ? json_dumps(run, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    if (whole && !text) status = vx_fail_nomem(&msg);
    char head = (char)status;
    write_all(out, &head, 1);
    const char *body = text ? text : msg.text;
    write_all(out, body, strlen(body));
    close(out);
    _exit(0);
}

static vx_status start(job *j, unsigned index, worker_fn work, void *context, vx_msg *msg)
{
    int ends[2];
    if (pipe(ends) != 0) return vx_fail(msg, VX_ERR_IO, "cannot make a pipe: %s", strerror(errno));
    fflush(NULL); /* or the child would print the parent's buffers again */
    pid_t child = fork();
    if (child < 0) {
        close(ends[0]);
        close(ends[1]);
        return vx_fail(msg, VX_ERR_IO, "cannot fork: %s", strerror(errno));
    }
    if (child == 0) {
        signal(SIGINT, SIG_IGN); /* a terminal sends it to all; the parent tells its children */
        close(ends[0]);
        work_in_child(ends[1], index, work, context);
    }
    close(ends[1]);
    j->child = child;
    j->pipe = ends[0];
    return VX_OK;
}

/* Reads what is there; at the end of the pipe reaps the child. */
static vx_status collect(job *j, vx_msg *msg)
{
    if (j->room - j->used < 65536) {
        char *bigger = realloc(j->text, j->room + (1 << 20));
        if (!bigger) return vx_fail_nomem(msg);
        j->text = bigger;
        j->room += 1 << 20;
    }
    ssize_t got = read(j->pipe, j->text + j->used, 65536);
    if (got < 0)
        return errno == EINTR ? VX_OK : vx_fail(msg, VX_ERR_IO, "cannot read from a worker: %s", strerror(errno));
    j->used += (size_t)got;
    if (got > 0) return VX_OK;
    close(j->pipe);
    int state;
    while (waitpid(j->child, &state, 0) < 0 && errno == EINTR) continue;
    j->child = 0;
    j->done = true;
    if (WIFSIGNALED(state)) return vx_fail(msg, VX_ERR_CHECK, "a worker died of signal %d", WTERMSIG(state));
    if (j->used == 0) return vx_fail(msg, VX_ERR_CHECK, "a worker ended without a result");
    vx_status status = (vx_status)(unsigned char)j->text[0];
    if (status == VX_OK || status == VX_ERR_INTERRUPTED) return VX_OK;
    return vx_fail(msg, status, "%.*s", (int)(j->used - 1), j->text + 1);
}

static void tell_to_stop(job *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!jobs[i].child || jobs[i].told) continue;
        jobs[i].told = true;
        kill(jobs[i].child, SIGTERM);
    }
}

/* Waits a moment at most: a signal that came just before would not end the wait. */
static vx_status wait_for_some(job *jobs, unsigned count, const volatile sig_atomic_t *stop, vx_msg *msg)
{
    enum { MOMENT_MS = 100 };
    struct pollfd *fds = calloc(count, sizeof *fds);
    if (!fds) return vx_fail_nomem(msg);
    for (unsigned i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = jobs[i].child ? jobs[i].pipe : -1, .events = POLLIN};
    vx_status status = VX_OK;
    int ready = poll(fds, count, MOMENT_MS);
    if (stop && *stop) tell_to_stop(jobs, count);
    for (unsigned i = 0; ready > 0 && status == VX_OK && i < count; i++)
        if (fds[i].revents) status = collect(&jobs[i], msg);
    free(fds);
    return status;
}

static vx_status run_jobs(job *jobs, unsigned count, unsigned at_once, worker_fn work, void *context,
                          const volatile sig_atomic_t *stop, vx_msg *msg)
{
    unsigned started = 0, running = 0;
    for (;;) {
        while (started < count && running < at_once && !(stop && *stop)) {
            vx_status status = start(&jobs[started], started, work, context, msg);
            if (status != VX_OK) return status;
            started++;
            running++;
        }
        if (running == 0) return VX_OK;
        vx_status status = wait_for_some(jobs, count, stop, msg);
        if (status != VX_OK) return status;
        running = 0;
        for (unsigned i = 0; i < started; i++) running += jobs[i].child != 0;
    }
}

static vx_status gather(json_t *runs, const job *jobs, unsigned count, vx_msg *msg)
{
    for (unsigned i = 0; i < count; i++) {
        if (!jobs[i].done) continue; /* never started: the run was interrupted */
        json_t *run = json_loadb(jobs[i].text + 1, jobs[i].used - 1, 0, NULL);
        if (!run || json_array_append_new(runs, run) != 0) return vx_fail_nomem(msg);
    }
    return VX_OK;
}

vx_status worker_run_all(json_t **runs, unsigned count, unsigned jobs, worker_fn work, void *context,
                         const volatile sig_atomic_t *stop, vx_msg *msg)
{
    job *all = calloc(count ? count : 1, sizeof *all);
    json_t *made = json_array();
    vx_status status = all && made ? VX_OK : vx_fail_nomem(msg);
    if (status == VX_OK) status = run_jobs(all, count, jobs ? jobs : 1, work, context, stop, msg);
    if (status == VX_OK) status = gather(made, all, count, msg);
    for (unsigned i = 0; all && i < count; i++) {
        if (all[i].child) {
            kill(all[i].child, SIGKILL);
            close(all[i].pipe);
            waitpid(all[i].child, NULL, 0);
        }
        free(all[i].text);
    }
    free(all);
    if (status == VX_OK)
        *runs = made;
    else
        json_decref(made);
    return status;
}
