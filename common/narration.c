/* narration.c - one line for each event. See common.h. */
#define _CRT_SECURE_NO_WARNINGS /* cl.exe would rather have _wfopen_s */
#include "common.h"

#include <stdarg.h>

static FILE *narration;     /* NULL: no narration */
static FILE *narration_log; /* NULL: none is wanted */
static double started_at;
static volatile bool paused;

double now_ms(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    return 1000.0 * (double)now.QuadPart / (double)per_second.QuadPart;
}

static void open_narration_log(void)
{
    wchar_t name[1024];
    DWORD length = GetEnvironmentVariableW(L"NARRATION_LOG", name, 1024);
    if (length == 0)
        return;
    narration_log = length < 1024 ? _wfopen(name, L"w") : NULL;
    if (narration_log == NULL)
        fail((int)GetLastError(), "write the file that NARRATION_LOG names");
}

void start_narration(bool quiet, FILE *stream)
{
    static const char heading[] =
        "        ms  thread  client  call                      what happened";
    if (quiet)
        return;
    open_narration_log();
    started_at = now_ms();
    narration = stream;
    fprintf(narration, "%s\n", heading);
    if (narration_log != NULL)
        fprintf(narration_log, "%s\n", heading);
    /* Every process of the machine reads the same counter, so with this line the narrations of a
     * server and of a client can be drawn on one time axis. */
    narrate(0, "QueryPerformanceCounter", "0.000 ms is %.3f ms on this machine's counter",
            started_at);
}

static const char *without_folders(const char *file)
{
    const char *name = file;
    for (const char *c = file; *c != '\0'; c++) {
        if (*c == '/' || *c == '\\')
            name = c + 1;
    }
    return name;
}

void narrate_at(const char *file, int line_number, int client, const char *call, const char *what,
                ...)
{
    if (narration == NULL || paused)
        return;

    double milliseconds = now_ms() - started_at;
    char number[12] = "-";
    if (client != 0)
        snprintf(number, sizeof number, "%d", client);

    char happened[400];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(happened, sizeof happened, what, arguments);
    va_end(arguments);

    char line[500];
    int length = snprintf(line, sizeof line, "%10.3f  %6lu  %6s  %-25s  %s\n", milliseconds,
                          GetCurrentThreadId(), number, call, happened);
    fputs(line, narration);
    fflush(narration);
    if (narration_log == NULL)
        return;

    char with_place[600];
    snprintf(with_place, sizeof with_place, "%.*s\t%s:%d\n", length - 1, line,
             without_folders(file), line_number);
    fputs(with_place, narration_log);
    fflush(narration_log);
}

void narrate_failure_at(const char *file, int line, int client, const char *call, int error)
{
    char text[ERROR_TEXT_SIZE];
    if (narration != NULL)
        narrate_at(file, line, client, call, "failed: %s", error_text(error, text));
}

void pause_narration(void)
{
    paused = true;
}

void resume_narration(void)
{
    paused = false;
}

const char *network_events_text(long network_events, char *text)
{
    static const struct {
        long bit;
        const char *name;
    } events[] = {
        {.bit = FD_ACCEPT, .name = "FD_ACCEPT"}, {.bit = FD_CONNECT, .name = "FD_CONNECT"},
        {.bit = FD_READ, .name = "FD_READ"},     {.bit = FD_WRITE, .name = "FD_WRITE"},
        {.bit = FD_CLOSE, .name = "FD_CLOSE"},
    };
    int length = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (network_events & events[i].bit)
            length += snprintf(text + length, (size_t)(EVENTS_TEXT_SIZE - length), "%s%s",
                               length > 0 ? " " : "", events[i].name);
    }
    if (length == 0)
        snprintf(text, EVENTS_TEXT_SIZE, "no network event");
    return text;
}

void print_summary(int clients, long long bytes, int pending)
{
    printf("summary: %d clients served, %lld bytes echoed, %d operations pending\n", clients, bytes,
           pending);
    fflush(stdout);
}
