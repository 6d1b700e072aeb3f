#include "record_qemu.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record_share.h"

#ifndef VEXIT_RECORDER_DIR
#error "the build says where the recorder is installed"
#endif

enum {
    WORDS_MAX = 512,
    OPTION_MAX = PATH_MAX + 256,
    PIPE_BYTES = 1 << 20,
    TERM_MS = 2000,
    KILL_MS = 6000,
    POLL_MS = 10
};

static const char default_program[] = "qemu-system-x86_64";

/* ---- the command line ---- */

static bool names_program(const record_plan *plan) { return plan->words > 0 && plan->command[0][0] != '-'; }

static bool is_option(const char *word, const char *name)
{
    if (*word != '-') return false;
    return strcmp(word + 1, name) == 0 || (word[1] == '-' && strcmp(word + 2, name) == 0);
}

/* The word behind an option. False, and *value as it was, where the option is not given. */
static bool value_of(const char *const *command, unsigned words, const char *name, const char **value)
{
    for (unsigned i = 0; i + 1 < words; i++)
        if (is_option(command[i], name)) {
            *value = command[i + 1];
            return true;
        }
    return false;
}

/* "512", "512M", "2G", "size=1G,slots=2": mebibytes where no unit is given. */
static bool parse_size(const char *text, uint64_t *bytes)
{
    if (strncmp(text, "size=", 5) == 0) text += 5;
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    unsigned shift = 20;
    static const char units[] = "kmgt";
    const char *unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (!isdigit((unsigned char)*text) || errno || (*end && *end != ',') || number == 0 || number > 1ULL << 24)
        return false;
    *bytes = number << shift;
    return *bytes >> shift == number;
}

bool record_ram(const char *const *command, unsigned words, uint64_t *low, uint64_t *high)
{
    uint64_t bytes = 128ULL << 20;
    const char *size, *machine = "";
    if (value_of(command, words, "m", &size) && !parse_size(size, &bytes)) return false;
    if (!value_of(command, words, "M", &machine)) (void)value_of(command, words, "machine", &machine);
    bool q35 = strstr(machine, "q35") != NULL;
    /* QEMU's hw/i386/pc_piix.c and pc_q35.c: where the hole for devices begins. */
    uint64_t whole = q35 ? 0xB0000000 : 0xE0000000, split = q35 ? 0x80000000 : 0xC0000000;
    *low = bytes >= whole ? split : bytes;
    *high = bytes - *low;
    return true;
}

unsigned record_interface(const char *version)
{
    unsigned major, minor;
    const char *number = strstr(version, "version ");
    if (!number || sscanf(number, "version %u.%u", &major, &minor) != 2) return 0;
    if (major == 7 && minor >= 2) return 1;
    if (major >= 10 || (major == 9 && minor >= 2)) return 4;
    return 0;
}

/* ---- finding things ---- */

static bool is_file(const char *path, int access_mode) { return access(path, access_mode) == 0; }

static vx_status read_version(const char *program, char *line, size_t size, vx_msg *msg)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return vx_fail(msg, VX_ERR_IO, "no pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execlp(program, program, "--version", (char *)NULL);
        _exit(errno == ENOENT ? 127 : 126);
    }
    close(ends[1]);
    FILE *output = pid > 0 ? fdopen(ends[0], "r") : NULL;
    bool got = output && fgets(line, (int)size, output);
    if (output)
        fclose(output);
    else
        close(ends[0]);
    int status = 0;
    if (pid > 0) waitpid(pid, &status, 0);
    if (!got)
        return vx_fail(msg, VX_ERR_IO,
                       "cannot run %s: install QEMU (Debian: qemu-system-x86), or name the program behind --", program);
    line[strcspn(line, "\n")] = '\0';
    return VX_OK;
}

/* Beside this program in the build tree, else where it is installed; VEXIT_RECORDER overrides both. */
static vx_status find_plugin(unsigned interface, char *path, size_t size, vx_msg *msg)
{
    char self[PATH_MAX] = "";
    const char *given = getenv("VEXIT_RECORDER");
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash) *slash = '\0';
    const char *const folders[] = {given ? given : "", "../traces/record", VEXIT_RECORDER_DIR};
    for (unsigned i = given ? 0 : 1; i < (given ? 1U : 3U); i++) {
        bool relative = folders[i][0] != '/' && i > 0;
        int written = snprintf(path, size, "%s%s%s/vexit-record-v%u.so", relative ? self : "", relative ? "/" : "",
                               folders[i], interface);
        if (written > 0 && (size_t)written < size && is_file(path, R_OK)) return VX_OK;
    }
    return vx_fail(msg, VX_ERR_IO, "no recorder vexit-record-v%u.so in %s", interface,
                   given ? given : "the build's traces/record or " VEXIT_RECORDER_DIR);
}

/* ---- starting ---- */

static void put_word(const char **words, unsigned *count, const char *word) { words[(*count)++] = word; }

/* What a recording needs (-accel, -icount) and what makes it repeatable: the guest's clock follows its instructions,
 * and its random numbers a seed. Each is left out where the user has given it. */
static const struct {
    const char *name, *value;
} defaults[] = {{"-accel", "tcg,thread=single"},
                {"-icount", "shift=0,sleep=off"},
                {"-rtc", "base=2026-01-01,clock=vm"},
                {"-seed", "1"}};

/* Runs in the child. */
static void become_qemu(const record_plan *plan, const char *program, const char *plugin)
{
    const char *words[WORDS_MAX + 16];
    const char *own; /* the user's value of what would be a default */
    unsigned count = 0, first = names_program(plan) ? 1 : 0;
    put_word(words, &count, program);
    put_word(words, &count, "-plugin");
    put_word(words, &count, plugin);
    for (unsigned i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        if (value_of(plan->command, plan->words, defaults[i].name + 1, &own)) continue;
        put_word(words, &count, defaults[i].name);
        put_word(words, &count, defaults[i].value);
    }
    for (unsigned i = first; i < plan->words; i++) put_word(words, &count, plan->command[i]);
    words[count] = NULL;
    execvp(program, (char **)(uintptr_t)words);
    fprintf(stderr, "vexit trace: cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

static volatile sig_atomic_t child;

static void pass_on(int number)
{
    (void)number;
    if (child > 0) kill((pid_t)child, SIGTERM);
}

static void take_signals(void)
{
    struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static vx_status plugin_option(const record_plan *plan, const record_qemu *qemu, const char *plugin, int fd,
                               const record_share *share, char *option, size_t size, vx_msg *msg)
{
    char region[80] = "", shared[80] = "";
    if (share->memory >= 0)
        snprintf(shared, sizeof shared, ",memory=%d,credit=%d,slots=%u", share->memory, share->credit,
                 qemu->pipe.slot_count);
    if (plan->by_region)
        snprintf(region, sizeof region, ",region=%llu,until=%llu", (unsigned long long)plan->region,
                 (unsigned long long)plan->until);
    int length = snprintf(option, size, "%s,fd=%d,references=%d,gpa=%d,max=%llu,ram_low=%llu,ram_high=%llu%s%s", plugin,
                          fd, plan->tier != VX_TIER_EVENTS, plan->with_gpa, (unsigned long long)plan->max,
                          (unsigned long long)qemu->ram_low, (unsigned long long)qemu->ram_high, region, shared);
    bool fits = length > 0 && (size_t)length < size;
    return fits ? VX_OK : vx_fail(msg, VX_ERR_INPUT, "%s: the path is too long", plugin);
}

vx_status record_qemu_start(record_qemu *qemu, const record_plan *plan, vx_msg *msg)
{
    char plugin[PATH_MAX], option[OPTION_MAX];
    const char *program = names_program(plan) ? plan->command[0] : default_program;
    *qemu = (record_qemu){.pipe = {.fd = -1}};
    if (plan->words > WORDS_MAX) return vx_fail(msg, VX_ERR_INPUT, "more than %d arguments for QEMU", WORDS_MAX);
    if (!record_ram(plan->command, plan->words, &qemu->ram_low, &qemu->ram_high))
        return vx_fail(msg, VX_ERR_INPUT, "QEMU's -m: not a size of memory");
    vx_status status = read_version(program, qemu->version, sizeof qemu->version, msg);
    if (status) return status;
    unsigned interface = record_interface(qemu->version);
    if (!interface)
        return vx_fail(msg, VX_ERR_INPUT, "%s (%s): the recorder knows QEMU 7.2, and 9.2 and later", program,
                       qemu->version);
    status = find_plugin(interface, plugin, sizeof plugin, msg);
    if (status) return status;
    int ends[2];
    record_share share = {-1, -1};
    if (pipe(ends) != 0) return vx_fail(msg, VX_ERR_IO, "no pipe: %s", strerror(errno));
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* faster; the default does too */
    record_share_open(&share, &qemu->pipe);
    status = plugin_option(plan, qemu, plugin, ends[1], &share, option, sizeof option, msg);
    pid_t pid = status ? -1 : fork();
    if (pid == 0) become_qemu(plan, program, option);
    if (!status && pid < 0) status = vx_fail(msg, VX_ERR_IO, "cannot start a process: %s", strerror(errno));
    close(ends[1]);
    record_share_pass(&share);
    if (status) {
        close(ends[0]);
        record_share_close(&qemu->pipe);
        return status;
    }
    child = pid;
    take_signals();
    qemu->pid = pid;
    qemu->pipe.fd = ends[0];
    return VX_OK;
}

/* The recorder ends QEMU once it has all it wants, or its pipe breaks. Where it does not, a signal does. */
int record_qemu_end(record_qemu *qemu)
{
    int status = 0;
    close(qemu->pipe.fd);
    record_share_close(&qemu->pipe);
    for (int waited = 0; waitpid(qemu->pid, &status, WNOHANG) == 0; waited += POLL_MS) {
        if (waited == TERM_MS) kill(qemu->pid, SIGTERM);
        if (waited == KILL_MS) kill(qemu->pid, SIGKILL);
        usleep(POLL_MS * 1000);
    }
    child = 0;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    return status;
}
