/* utf8.c - names of files and folders in any letters. See utf8.h. */
#define _CRT_SECURE_NO_WARNINGS /* _wfopen */
#include "../common/common.h"
#include "utf8.h"

#include <share.h>
#include <stdarg.h>
#include <stdlib.h>

static UINT console_code_page;

static void restore_console(void)
{
    SetConsoleOutputCP(console_code_page);
}

/* CommandLineToArgvW is in shell32, which is needed for nothing else. */
static wchar_t **wide_arguments(int *count)
{
    union {
        FARPROC any;
        wchar_t **(WINAPI *split)(const wchar_t *, int *);
    } function = {NULL};
    HMODULE shell = LoadLibraryA("shell32.dll");

    if (shell != NULL)
        function.any = GetProcAddress(shell, "CommandLineToArgvW");
    return function.any != NULL ? function.split(GetCommandLineW(), count) : NULL;
}

void read_utf8_arguments(int *argc, char ***argv)
{
    int count = 0;
    wchar_t **wide = wide_arguments(&count);
    char **arguments = calloc((size_t)count + 1, sizeof *arguments);

    if (wide == NULL || arguments == NULL)
        fail((int)GetLastError(), "read the command line");
    for (int i = 0; i < count; i++) {
        int size = WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, NULL, 0, NULL, NULL);
        arguments[i] = malloc((size_t)size);
        if (arguments[i] == NULL)
            fail(WSA_NOT_ENOUGH_MEMORY, "memory for the command line");
        WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, arguments[i], size, NULL, NULL);
    }
    *argc = count;
    *argv = arguments;
}

void use_utf8(int *argc, char ***argv)
{
    DWORD mode;

    read_utf8_arguments(argc, argv);
    if (GetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), &mode)) {
        console_code_page = GetConsoleOutputCP();
        SetConsoleOutputCP(CP_UTF8);
        atexit(restore_console);
    }
}

const wchar_t *wide_text(const char *text, wchar_t *wide, int size)
{
    if (MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, size) == 0)
        wide[0] = L'\0';
    return wide;
}

const char *narrow_name(const wchar_t *wide, char *text)
{
    if (WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, NAME_SIZE, NULL, NULL) == 0)
        text[0] = '\0';
    return text;
}

FILE *open_file(const char *name, const char *mode)
{
    wchar_t wide_name[NAME_SIZE], wide_mode[8];
    return _wfsopen(wide_text(name, wide_name, NAME_SIZE), wide_text(mode, wide_mode, 8),
                    mode[0] == 'w' ? _SH_DENYWR : _SH_DENYNO);
}

/* To a console, in pieces that it accepts, none of which splits a character of two units. */
static void write_to_console(HANDLE console, const char *text)
{
    enum { PIECE = 4000 };
    int length = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
    wchar_t *wide = calloc((size_t)length + 1, sizeof *wide), *next = wide;

    if (wide == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a text");
    MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, length);
    for (int left = length - 1; left > 0;) {
        DWORD piece = (DWORD)min(left, PIECE), written = 0;
        if (next[piece - 1] >= 0xd800 && next[piece - 1] < 0xdc00 && piece > 1)
            piece--;
        if (!WriteConsoleW(console, next, piece, &written, NULL) || written == 0)
            break;
        next += written;
        left -= (int)written;
    }
    free(wide);
}

void print_utf8(FILE *stream, const char *format, ...)
{
    HANDLE handle = GetStdHandle(stream == stderr ? STD_ERROR_HANDLE : STD_OUTPUT_HANDLE);
    va_list arguments;
    DWORD mode;

    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a text");
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    fflush(stream);
    if (GetConsoleMode(handle, &mode))
        write_to_console(handle, text);
    else
        fputs(text, stream);
    free(text);
}
