/* report.c - what a check finds, and how it is reported. See report.h. */
#include "report.h"
#include "pace.h"
#include "../tools/utf8.h"

#include <stdarg.h>

/* ---- trouble ------------------------------------------------------------------------------- */

static SRWLOCK noting = SRWLOCK_INIT;
static struct noted noted;
static double begun;

/* What a program under test has printed must not look like another line of ours. */
static void make_one_line(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ')
            *text = ' ';
    }
}

void trouble(enum verdict verdict, const char *hint, const char *what, ...)
{
    AcquireSRWLockExclusive(&noting);
    if (noted.verdict == PASSED || (verdict >= ENDED && verdict > noted.verdict)) {
        va_list arguments;
        va_start(arguments, what);
        vsnprintf(noted.what, sizeof noted.what, what, arguments);
        va_end(arguments);
        make_one_line(noted.what);
        noted.hint = hint;
        noted.verdict = verdict;
    }
    ReleaseSRWLockExclusive(&noting);
}

bool in_trouble(void)
{
    AcquireSRWLockShared(&noting);
    bool yes = noted.verdict != PASSED;
    ReleaseSRWLockShared(&noting);
    return yes;
}

void forget_trouble(void)
{
    AcquireSRWLockExclusive(&noting);
    memset(&noted, 0, sizeof noted);
    ReleaseSRWLockExclusive(&noting);
    begun = quiet_time_ms();
}

double check_age_ms(void)
{
    return quiet_time_ms() - begun;
}

const struct noted *noted_trouble(void)
{
    return &noted;
}

/* ---- for messages -------------------------------------------------------------------------- */

/* Returns the end of what it has written, at most four characters and a '\0'. */
static char *show_byte(char *text, unsigned char c, bool letters_beyond_ascii)
{
    static const char *const names[128] = {
        ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t", ['\\'] = "\\\\", ['"'] = "\\\""};

    if (c < 128 && names[c] != NULL)
        return text + snprintf(text, 5, "%s", names[c]);
    bool shown = (c >= ' ' && c <= '~') || (c >= 128 && letters_beyond_ascii);
    return text + snprintf(text, 5, shown ? "%c" : "\\x%02x", c);
}

const char *show_bytes(char *text, const char *bytes, size_t length)
{
    char *end = text;
    *end = '\0';
    for (size_t i = 0; i < length && i < SHOWN_BYTES; i++)
        end = show_byte(end, (unsigned char)bytes[i], false);
    return text;
}

/* The same, but writes nothing for the first half of a Windows line end. */
static char *show_printed(char *text, const char *bytes, size_t at)
{
    *text = '\0';
    if (bytes[at] == '\r' && bytes[at + 1] == '\n')
        return text;
    return show_byte(text, (unsigned char)bytes[at], true);
}

const char *show_output(char *text, struct capture *capture)
{
    char *end = text, shown[5];
    size_t first = 0, length = 0;
    *end = '\0';
    EnterCriticalSection(&capture->lock);
    const char *bytes = capture->bytes;
    while (first < capture->length && end - text < SHOWN_PART)
        end = show_printed(end, bytes, first++);
    size_t last = capture->length;
    while (last > first && length < SHOWN_PART)
        length += (size_t)(show_printed(shown, bytes, --last) - shown);
    if (last > first)
        end += snprintf(end, 4, "...");
    while (last < capture->length)
        end = show_printed(end, bytes, last++);
    LeaveCriticalSection(&capture->lock);
    return text;
}

/* ---- what is said -------------------------------------------------------------------------- */

static FILE *report;

/* The CRC of ZIP, which many programs can compute, such as 7-Zip. 0: the file cannot be read. */
static unsigned long crc32_of_file(const char *name)
{
    FILE *file = open_file(name, "rb");
    unsigned long crc = 0xFFFFFFFF;
    int c;

    if (file == NULL)
        return 0;
    while ((c = getc(file)) != EOF) {
        crc ^= (unsigned char)c;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
    }
    fclose(file);
    return crc ^ 0xFFFFFFFF;
}

void begin_report(const char *folder, const char *name, const char *compiler, const char *chapter)
{
    char path[400], source[400];
    SYSTEMTIME now;

    snprintf(path, sizeof path, "%s\\%s.txt", folder, name);
    report = open_file(path, "w");
    if (report == NULL)
        return;
    GetLocalTime(&now);
    /* build.bat grade keeps the server.c that it checks beside the report. */
    snprintf(source, sizeof source, "%s\\server.c", folder);
    if (crc32_of_file(source) == 0) /* there is none */
        snprintf(source, sizeof source, "%s\\server.c", chapter);
    fprintf(report, "%s of %s, %04d-%02d-%02d %02d:%02d, %s%s, server.c with CRC32 %08lX\n", name,
            folder, now.wYear, now.wMonth, now.wDay, now.wHour, now.wMinute, compiler,
            running_under_wine() ? ", Wine" : "", crc32_of_file(source));
    fflush(report);
}

void end_report(const char *last_line, ...)
{
    va_list arguments;

    if (report == NULL)
        return;
    va_start(arguments, last_line);
    vfprintf(report, last_line, arguments);
    va_end(arguments);
    fclose(report);
    report = NULL;
}

void say(const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    vprintf(text, arguments);
    va_end(arguments);
    fflush(stdout);
    if (report != NULL) {
        va_start(arguments, text);
        vfprintf(report, text, arguments);
        va_end(arguments);
        fflush(report); /* so that it is there if the run is interrupted */
    }
}
