/* process.c - starts, reads, stops and measures programs. See process.h. */
#include "process.h"
#include "utf8.h"

#define PSAPI_VERSION 2 /* GetProcessMemoryInfo is in kernel32 */
#include <psapi.h>
#include <stdlib.h>

/* ---- capture ------------------------------------------------------------------------------- */

enum {
    LONGEST_PRINTED_LINE = 160,
    KILLED = 99 /* the exit status of a process that is ended by force */
};

static CRITICAL_SECTION printing;

/* Prints the complete lines; at the end also a last one without a line end. */
static void print_lines(struct capture *capture)
{
    EnterCriticalSection(&printing);
    while (capture->printed < capture->length) {
        const char *line = capture->bytes + capture->printed;
        size_t left = capture->length - capture->printed;
        const char *end = memchr(line, '\n', left);
        if (end == NULL && !capture->ended)
            break;
        size_t length = end != NULL ? (size_t)(end - line) : left;
        capture->printed += length + (end != NULL);
        if (length > 0 && line[length - 1] == '\r')
            length--;
        printf("%s", capture->label);
        fwrite(line, 1, length > LONGEST_PRINTED_LINE ? 40 : length, stdout);
        if (length > LONGEST_PRINTED_LINE)
            printf("... (%lu characters)", (unsigned long)length);
        printf("\n");
    }
    fflush(stdout);
    LeaveCriticalSection(&printing);
}

/* After that many bytes the output is still read, so that the program goes on, but not kept. */
static const size_t most_collected = 256 * 1024 * 1024;

/* Doubled each time: a program may print many megabytes in small pieces. */
static void make_room(struct capture *capture, size_t size)
{
    if (size <= capture->size)
        return;
    capture->size = min(max(size, 2 * capture->size), most_collected + 1);
    capture->bytes = realloc(capture->bytes, capture->size);
    if (capture->bytes == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a program's output");
}

static void add_bytes(struct capture *capture, const char *bytes, size_t length)
{
    EnterCriticalSection(&capture->lock);
    if (capture->length + length <= most_collected) {
        make_room(capture, capture->length + length + 1);
        memcpy(capture->bytes + capture->length, bytes, length);
        capture->length += length;
        capture->bytes[capture->length] = '\0';
        if (capture->label != NULL)
            print_lines(capture);
    }
    LeaveCriticalSection(&capture->lock);
    SetEvent(capture->changed);
}

static DWORD WINAPI collect(void *parameter)
{
    struct capture *capture = parameter;
    static const DWORD piece = 64 * 1024;
    char *bytes = malloc(piece);
    DWORD length = 0;

    /* A length of 0 is not the end: a program may write 0 bytes. */
    while (bytes != NULL && !capture->closing &&
           ReadFile(capture->pipe, bytes, piece, &length, NULL))
        add_bytes(capture, bytes, length);
    free(bytes);

    EnterCriticalSection(&capture->lock);
    capture->ended = true;
    if (capture->label != NULL)
        print_lines(capture);
    LeaveCriticalSection(&capture->lock);
    SetEvent(capture->changed);
    return 0;
}

/* Begins to collect; *child_end is the handle for the program. */
static bool open_capture(struct capture *capture, const char *label, HANDLE *child_end)
{
    memset(capture, 0, sizeof *capture);
    capture->label = label;
    if (!CreatePipe(&capture->pipe, child_end, NULL, 0))
        return false;
    SetHandleInformation(*child_end, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    InitializeCriticalSection(&capture->lock);
    capture->bytes = calloc(1, 1);
    capture->size = 1;
    capture->changed = CreateEventA(NULL, FALSE, FALSE, NULL);
    capture->thread = CreateThread(NULL, 0, collect, capture, 0, NULL);
    return capture->bytes != NULL && capture->changed != NULL && capture->thread != NULL;
}

/* To be called when the program has ended. The thread ends when the last handle of the pipe is
 * closed; another program may have a copy of it, and keep it open. */
static void finish_capture(struct capture *capture)
{
    enum { PATIENCE_MS = 1000, AGAIN_MS = 20 };

    capture->closing = WaitForSingleObject(capture->thread, PATIENCE_MS) != WAIT_OBJECT_0;
    while (capture->closing && WaitForSingleObject(capture->thread, AGAIN_MS) != WAIT_OBJECT_0)
        CancelSynchronousIo(capture->thread); /* it may not be reading yet */
}

static void close_capture(struct capture *capture)
{
    finish_capture(capture);
    CloseHandle(capture->thread);
    CloseHandle(capture->changed);
    CloseHandle(capture->pipe);
    DeleteCriticalSection(&capture->lock);
    free(capture->bytes);
}

const char *find_text(const char *bytes, size_t length, const char *text)
{
    const char *end = bytes + length;
    size_t size = strlen(text);

    while ((size_t)(end - bytes) >= size) {
        const char *place = memchr(bytes, text[0], (size_t)(end - bytes) - size + 1);
        if (place == NULL || memcmp(place, text, size) == 0)
            return place;
        bytes = place + 1;
    }
    return NULL;
}

bool has_printed(struct capture *capture, const char *text)
{
    EnterCriticalSection(&capture->lock);
    bool found = find_text(capture->bytes, capture->length, text) != NULL;
    LeaveCriticalSection(&capture->lock);
    return found;
}

/* Waits until there is more than at the last call, but not beyond the deadline. False: nothing more
 * will come, or it is too late. */
static bool wait_for_more(struct capture *capture, double deadline)
{
    double left = deadline - now_ms();

    EnterCriticalSection(&capture->lock);
    bool ended = capture->ended;
    LeaveCriticalSection(&capture->lock);
    if (ended || left <= 0)
        return false;
    WaitForSingleObject(capture->changed, (DWORD)left + 1);
    return true;
}

/* Whether the text has been printed; without a text (NULL), whether this many bytes have. The first
 * *seen bytes were searched before, and are not searched again. */
static bool is_there(struct capture *capture, size_t length, const char *text, size_t *seen)
{
    EnterCriticalSection(&capture->lock);
    bool found = capture->length >= length;
    if (text != NULL) {
        size_t from = *seen >= strlen(text) ? *seen - strlen(text) + 1 : 0;
        found = find_text(capture->bytes + from, capture->length - from, text) != NULL;
        *seen = capture->length;
    }
    LeaveCriticalSection(&capture->lock);
    return found;
}

static bool wait_for_capture(struct capture *capture, size_t length, const char *text,
                             DWORD milliseconds)
{
    double deadline = now_ms() + milliseconds;
    size_t seen = 0;

    for (;;) {
        if (is_there(capture, length, text, &seen))
            return true;
        if (!wait_for_more(capture, deadline))
            return is_there(capture, length, text, &seen);
    }
}

bool wait_for_length(struct capture *capture, size_t length, DWORD milliseconds)
{
    return wait_for_capture(capture, length, NULL, milliseconds);
}

bool wait_for_text(struct capture *capture, const char *text, DWORD milliseconds)
{
    return wait_for_capture(capture, 0, text, milliseconds);
}

/* ---- processes ----------------------------------------------------------------------------- */

/* Prepares what all children need, at the first call. */
static void prepare_for_children(void)
{
    static bool prepared;
    if (!prepared) {
        InitializeCriticalSection(&printing);
        /* Children inherit it: one that crashes ends, instead of showing a dialog and waiting. */
        SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    }
    prepared = true;
}

/* The system ends everything in the job when our only handle to it is closed. */
static HANDLE new_job(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    HANDLE job = CreateJobObjectA(NULL, NULL);

    memset(&limits, 0, sizeof limits);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    return job;
}

/* When Wine has just been started, or is busy, it fails now and then with ERROR_INTERNAL_ERROR
 * (1359); a little later it succeeds. On failure GetLastError gives the reason. */
static bool create_process(wchar_t *command, STARTUPINFOW *startup, PROCESS_INFORMATION *started)
{
    enum { ATTEMPTS = 5, PAUSE_MS = 200 };

    for (int attempt = 1;; attempt++) {
        /* In its own process group, so that Ctrl+Break reaches no other program. Suspended, so that
         * it starts no process before it is in its job. */
        if (CreateProcessW(NULL, command, NULL, NULL, TRUE,
                           CREATE_NEW_PROCESS_GROUP | CREATE_SUSPENDED, NULL, NULL, startup,
                           started))
            return true;
        DWORD error = GetLastError();
        if (error != ERROR_INTERNAL_ERROR || attempt == ATTEMPTS || !running_under_wine()) {
            SetLastError(error);
            return false;
        }
        Sleep(PAUSE_MS);
    }
}

bool start_process(struct process *process, const char *command_line, const char *output_label,
                   const char *error_label)
{
    STARTUPINFOW startup;
    PROCESS_INFORMATION started;
    wchar_t command[sizeof process->command_line];

    prepare_for_children();
    memset(process, 0, sizeof *process);
    snprintf(process->command_line, sizeof process->command_line, "%s", command_line);
    wide_text(command_line, command, sizeof process->command_line);
    memset(&startup, 0, sizeof startup);
    startup.cb = sizeof startup;
    startup.dwFlags = STARTF_USESTDHANDLES;
    if (!CreatePipe(&startup.hStdInput, &process->input, NULL, 0) ||
        !open_capture(&process->output, output_label, &startup.hStdOutput) ||
        !open_capture(&process->error, error_label, &startup.hStdError))
        fail((int)GetLastError(), "make pipes for %s", command_line);
    SetHandleInformation(startup.hStdInput, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);

    bool done = create_process(command, &startup, &started);
    DWORD error = GetLastError();
    CloseHandle(startup.hStdInput);
    CloseHandle(startup.hStdOutput);
    CloseHandle(startup.hStdError);
    if (!done) {
        CloseHandle(process->input);
        close_capture(&process->output);
        close_capture(&process->error);
        memset(process, 0, sizeof *process);
        SetLastError(error);
        return false;
    }
    process->job = new_job();
    AssignProcessToJobObject(process->job, started.hProcess);
    ResumeThread(started.hThread);
    CloseHandle(started.hThread);
    process->handle = started.hProcess;
    process->id = started.dwProcessId;
    return true;
}

bool write_input(struct process *process, const void *bytes, size_t length)
{
    const char *next = bytes;
    while (length > 0) {
        DWORD piece = length > 65536 ? 65536 : (DWORD)length;
        DWORD written = 0;
        if (!WriteFile(process->input, next, piece, &written, NULL))
            return false;
        next += written;
        length -= written;
    }
    return true;
}

void close_input(struct process *process)
{
    if (process->input != NULL)
        CloseHandle(process->input);
    process->input = NULL;
}

bool wait_for_exit(struct process *process, DWORD milliseconds, DWORD *status)
{
    if (WaitForSingleObject(process->handle, milliseconds) != WAIT_OBJECT_0)
        return false;
    TerminateJobObject(process->job, KILLED); /* the pipes end with the last one that holds them */
    finish_capture(&process->output);
    finish_capture(&process->error);
    return GetExitCodeProcess(process->handle, status) != 0;
}

void kill_process(struct process *process)
{
    TerminateJobObject(process->job, KILLED);
    TerminateProcess(process->handle, KILLED); /* if the system did not let it into the job */
    WaitForSingleObject(process->handle, 5000);
}

void end_process(struct process *process)
{
    if (process->handle == NULL)
        return;
    close_input(process);
    kill_process(process);
    close_capture(&process->output);
    close_capture(&process->error);
    CloseHandle(process->job);
    CloseHandle(process->handle);
    memset(process, 0, sizeof *process);
}

/* The port of a line "listening on 127.0.0.1:9190", or 0: it only looks like one. */
static int port_of_line(const char *line, const char *end)
{
    static const char words[] = "listening on ";
    static const char of_address[] = "0123456789abcdefABCDEF.:[]%";
    const char *address = find_text(line, (size_t)(end - line), words);
    const char *colon = NULL, *c;

    if (address == NULL)
        return 0;
    address += strlen(words);
    for (c = address; c < end && *c != '\0' && strchr(of_address, *c) != NULL; c++) {
        if (*c == ':')
            colon = c;
    }
    bool word_ends = c == end || *c == ' ' || *c == '\r';
    int port = colon != NULL && colon > address && word_ends ? atoi(colon + 1) : 0;
    return port > 0 && port <= 65535 ? port : 0;
}

/* The wanted port if a line has it, otherwise the port of the last line that has one, or 0. */
static int printed_port(struct capture *output, int wanted)
{
    int port = 0;

    EnterCriticalSection(&output->lock);
    const char *line = output->bytes, *end, *all = output->bytes + output->length;
    while ((wanted == 0 || port != wanted) && line < all &&
           (end = memchr(line, '\n', (size_t)(all - line))) != NULL) {
        int found = port_of_line(line, end);
        port = found != 0 ? found : port;
        line = end + 1;
    }
    LeaveCriticalSection(&output->lock);
    return port;
}

int listening_port(struct process *process, int wanted, DWORD milliseconds)
{
    enum { A_LITTLE_MS = 500 };
    double deadline = now_ms() + milliseconds;
    int before = 0;

    for (;;) {
        int port = printed_port(&process->output, wanted);
        if (port != 0 && (wanted == 0 || port == wanted))
            return port;
        if (port != 0 && before == 0 && deadline > now_ms() + A_LITTLE_MS)
            deadline = now_ms() + A_LITTLE_MS;
        before = port;
        if (!wait_for_more(&process->output, deadline))
            return printed_port(&process->output, wanted);
    }
}

int announced_limit(struct process *server)
{
    static const char words[] = "at most ";
    int limit = 0;

    wait_for_text(&server->output, words, 300);
    EnterCriticalSection(&server->output.lock);
    const char *place = find_text(server->output.bytes, server->output.length, words);
    if (place != NULL)
        limit = atoi(place + strlen(words));
    LeaveCriticalSection(&server->output.lock);
    return limit;
}

int free_port(void)
{
    struct sockaddr_in address;
    int length = sizeof address;
    SOCKET probe = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (probe == INVALID_SOCKET || bind(probe, (struct sockaddr *)&address, length) != 0 ||
        getsockname(probe, (struct sockaddr *)&address, &length) != 0)
        fail(WSAGetLastError(), "find a free port of 127.0.0.1");
    closesocket(probe);
    return ntohs(address.sin_port);
}

/* ---- Wine ---------------------------------------------------------------------------------- */

bool running_under_wine(void)
{
    return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
}

/* Reads a file of /proc, whose size is not known beforehand. Returns the length; 0: none. */
static size_t read_proc(const char *path, char *text, size_t size)
{
    DWORD length = 0;
    HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                              OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return 0;
    if (!ReadFile(file, text, (DWORD)size - 1, &length, NULL))
        length = 0;
    CloseHandle(file);
    text[length] = '\0';
    return length;
}

/* The words of a command line with one space between them, whether they come with quotes or, as in
 * /proc, each with its '\0'; without letters beyond ASCII, which Windows and Linux write
 * differently. */
static void plain_words(const char *bytes, size_t length, char *words)
{
    char *end = words;
    bool space = false;

    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == ' ' || bytes[i] == '\0') {
            space = true;
        } else if (bytes[i] > ' ' && bytes[i] <= '~' && bytes[i] != '"' && bytes[i] != '?') {
            if (space && end != words)
                *end++ = ' ';
            *end++ = bytes[i];
            space = false;
        }
    }
    *end = '\0';
}

/* The Linux process of a Windows process is the one whose command line ends with the same words:
 * other servers with nearly the same command line run at the same time. */
static int linux_process_id(const struct process *process)
{
    char wanted[sizeof process->command_line];
    WIN32_FIND_DATAA entry;
    int id = 0;

    plain_words(process->command_line, strlen(process->command_line), wanted);
    HANDLE search = FindFirstFileA("Z:\\proc\\*", &entry);
    if (search == INVALID_HANDLE_VALUE)
        return 0;
    do {
        char path[300], arguments[4096], words[4096];
        if (atoi(entry.cFileName) == 0)
            continue;
        snprintf(path, sizeof path, "Z:\\proc\\%s\\cmdline", entry.cFileName);
        size_t length = read_proc(path, arguments, sizeof arguments);
        plain_words(arguments, length, words);
        size_t found = strlen(words), sought = strlen(wanted);
        if (found >= sought && strcmp(words + found - sought, wanted) == 0)
            id = atoi(entry.cFileName);
    } while (id == 0 && FindNextFileA(search, &entry));
    FindClose(search);
    return id;
}

/* Wine 8 cannot send Ctrl+Break to a process group, but turns SIGINT into Ctrl+C. */
static bool send_sigint(const struct process *process)
{
    STARTUPINFOA startup;
    PROCESS_INFORMATION started;
    char command[100];
    int id = linux_process_id(process);

    if (id == 0)
        return false;
    memset(&startup, 0, sizeof startup);
    startup.cb = sizeof startup;
    snprintf(command, sizeof command, "\\\\?\\unix\\bin\\sh -c \"kill -INT %d\"", id);
    /* For a Linux program Wine does not set the handles in started: there is nothing to close. */
    return CreateProcessA(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &started) != 0;
}

static unsigned long long context_switches(const struct process *process)
{
    char path[300], text[8192];
    unsigned long long switches = 0;
    WIN32_FIND_DATAA entry;
    int id = linux_process_id(process);

    snprintf(path, sizeof path, "Z:\\proc\\%d\\task\\*", id);
    HANDLE search = FindFirstFileA(path, &entry);
    if (search == INVALID_HANDLE_VALUE)
        return 0;
    do {
        if (atoi(entry.cFileName) == 0)
            continue;
        snprintf(path, sizeof path, "Z:\\proc\\%d\\task\\%s\\status", id, entry.cFileName);
        if (read_proc(path, text, sizeof text) == 0)
            continue;
        const char *line = strstr(text, "voluntary_ctxt_switches:");
        if (line != NULL)
            switches += strtoull(strchr(line, ':') + 1, NULL, 10);
    } while (FindNextFileA(search, &entry));
    FindClose(search);
    return switches;
}

/* ---- both ---------------------------------------------------------------------------------- */

bool press_ctrl_c(struct process *process)
{
    if (running_under_wine())
        return send_sigint(process);
    return GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, process->id) != 0;
}

/* The beginning of an entry of NtQuerySystemInformation(SystemProcessInformation). Wine counts
 * handles there, but not in GetProcessHandleCount. */
struct system_process {
    ULONG next;
    ULONG threads;
    LARGE_INTEGER times[6];
    USHORT name_length, name_space;
    WCHAR *name;
    LONG priority;
    HANDLE id;
    HANDLE parent;
    ULONG handles;
};

/* Looked up at run time, because not every compiler's headers and libraries know them. */
static union {
    FARPROC any;
    LONG(WINAPI *system_information)(int, void *, ULONG, ULONG *);
    BOOL(WINAPI *process_cycles)(HANDLE, ULONG64 *);
} query;

/* What the system lists about a process. All is zero if it lists nothing. */
static struct system_process listed(DWORD process_id)
{
    enum { SYSTEM_PROCESS_INFORMATION_CLASS = 5, LIST_SIZE = 4 * 1024 * 1024 };
    struct system_process found = {0};
    char *list = malloc(LIST_SIZE);

    query.any = GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtQuerySystemInformation");
    if (list != NULL && query.any != NULL &&
        query.system_information(SYSTEM_PROCESS_INFORMATION_CLASS, list, LIST_SIZE, NULL) == 0) {
        const char *place = list;
        for (;;) {
            const struct system_process *entry = (const void *)place;
            if ((DWORD)(ULONG_PTR)entry->id == process_id)
                found = *entry;
            if (entry->next == 0)
                break;
            place += entry->next;
        }
    }
    free(list);
    return found;
}

static unsigned long long cycles_used(HANDLE process)
{
    ULONG64 cycles = 0;
    query.any = GetProcAddress(GetModuleHandleA("kernel32.dll"), "QueryProcessCycleTime");
    if (query.any == NULL || !query.process_cycles(process, &cycles))
        return 0;
    return cycles;
}

/* Wine reports only how many places its table of handles has: each of them is tried. */
static unsigned handles_in_use(const struct process *process)
{
    unsigned places = listed(process->id).handles, used = 0;
    HANDLE us = GetCurrentProcess(), copy;

    if (!running_under_wine())
        return places;
    for (ULONG_PTR place = 1; place <= places; place++) {
        if (DuplicateHandle(process->handle, (HANDLE)(4 * place), us, &copy, 0, FALSE,
                            DUPLICATE_SAME_ACCESS)) {
            CloseHandle(copy);
            used++;
        }
    }
    return used;
}

bool measure(const struct process *process, struct measurement *measurement)
{
    PROCESS_MEMORY_COUNTERS memory;

    memset(&memory, 0, sizeof memory);
    if (!GetProcessMemoryInfo(process->handle, &memory, sizeof memory))
        return false;
    measurement->memory = memory.PagefileUsage; /* the private bytes */
    measurement->handles = handles_in_use(process);
    measurement->threads = listed(process->id).threads;
    measurement->activity =
        running_under_wine() ? context_switches(process) : cycles_used(process->handle);
    return measurement->handles != 0 && measurement->activity != 0;
}

static double milliseconds(FILETIME time)
{
    return ((double)time.dwHighDateTime * 4294967296.0 + time.dwLowDateTime) / 10000;
}

bool measure_resources(const struct process *process, struct resources *resources)
{
    PROCESS_MEMORY_COUNTERS memory;
    FILETIME begun, ended, kernel, user;

    memset(&memory, 0, sizeof memory);
    if (!GetProcessMemoryInfo(process->handle, &memory, sizeof memory) ||
        !GetProcessTimes(process->handle, &begun, &ended, &kernel, &user))
        return false;
    resources->threads = listed(process->id).threads;
    resources->memory = memory.PagefileUsage;
    resources->cpu_ms = milliseconds(kernel) + milliseconds(user);
    return resources->threads != 0;
}
