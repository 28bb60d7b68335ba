/* report.c - what a check finds out, and how it is reported. See report.h. */
#include "report.h"
#include "../tools/utf8.h"

#include <stdarg.h>

/* ---- trouble ------------------------------------------------------------------------------- */

static SRWLOCK noting = SRWLOCK_INIT;
static struct noted noted;

void trouble(enum verdict verdict, const char *hint, const char *what, ...)
{
    AcquireSRWLockExclusive(&noting);
    if (noted.verdict == PASSED || (verdict == RULE_BROKEN && noted.verdict != RULE_BROKEN)) {
        va_list arguments;
        va_start(arguments, what);
        vsnprintf(noted.what, sizeof noted.what, what, arguments);
        va_end(arguments);
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
}

const struct noted *noted_trouble(void)
{
    return &noted;
}

/* ---- what is said -------------------------------------------------------------------------- */

static FILE *report;

void begin_report(const char *build_folder, const char *name, const char *compiler)
{
    char path[400];
    SYSTEMTIME now;

    snprintf(path, sizeof path, "%s\\%s.txt", build_folder, name);
    report = open_file(path, "w");
    if (report == NULL)
        return;
    GetLocalTime(&now);
    fprintf(report, "%s of %s, %04d-%02d-%02d %02d:%02d, %s%s\n", name, build_folder, now.wYear,
            now.wMonth, now.wDay, now.wHour, now.wMinute, compiler,
            running_under_wine() ? ", Wine" : "");
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
    }
}
