/* input.c - lines from standard input, and what comes back. See common.h. */
#include "common.h"

#include <fcntl.h>
#include <io.h>
#include <stdlib.h>

enum { END_OF_INPUT = -1, CONTROL_Z = 0x1A };

/* A console reads and writes UTF-16. One unit of it becomes at most 3 bytes of UTF-8. */
enum { UNITS = 4096, BYTES = 3 * (UNITS + 1) };

static bool output_is_console;
static char echo[UNITS]; /* what came back, on its way to the console */
static int kept;         /* bytes in echo that wait for the rest of their character */

static bool is_console_handle(HANDLE handle)
{
    DWORD mode;
    return GetConsoleMode(handle, &mode) != 0;
}

static HANDLE standard_input(void)
{
    return GetStdHandle(STD_INPUT_HANDLE);
}

/* Asks once, before the thread reads: while ReadFile blocks on a pipe, any other call on that pipe
 * may block behind it, and this query is such a call. */
bool input_is_console(void)
{
    static bool asked, answer;

    if (!asked)
        answer = is_console_handle(standard_input());
    asked = true;
    return answer;
}

FILE *client_narration_stream(void)
{
    return input_is_console() ? stdout : stderr;
}

/* Returns how many units were typed. Ctrl+C also ends the call, with none. The system is about to
 * end the program then, unless the program was started so that it ignores Ctrl+C: so read on. */
static int read_units(wchar_t *units, DWORD size)
{
    DWORD length;

    do {
        SetLastError(ERROR_SUCCESS);
        if (!ReadConsoleW(standard_input(), units, size, &length, NULL))
            fail((int)GetLastError(), "read from the console");
    } while (length == 0 && GetLastError() == ERROR_OPERATION_ABORTED);
    return (int)length;
}

/* ReadFile would lose what the console's code page lacks (on Windows 10 with UTF-8, everything that
 * is not ASCII); and Ctrl+C would look like the end of input. */
static int read_console(char *bytes)
{
    static wchar_t units[UNITS + 1];

    int length = read_units(units, UNITS);
    if (length > 0 && IS_HIGH_SURROGATE(units[length - 1])) /* half a character: get the rest */
        length += read_units(units + length, 1);
    return WideCharToMultiByte(CP_UTF8, 0, units, length, bytes, BYTES, NULL, NULL);
}

static int read_file_or_pipe(char *bytes)
{
    DWORD length;

    do {
        if (!ReadFile(standard_input(), bytes, BYTES, &length, NULL)) {
            int error = (int)GetLastError();
            if (error == ERROR_BROKEN_PIPE || error == ERROR_HANDLE_EOF)
                return 0; /* a pipe ends when its writer closes it */
            fail(error, "read from standard input");
        }
        /* No bytes, but the pipe is still open: its writer wrote 0 bytes, and may write more. */
    } while (length == 0 && PeekNamedPipe(standard_input(), NULL, 0, NULL, NULL, NULL));
    return (int)length;
}

/* Like getchar. But getchar would keep stdin locked while it waits, and exit() of some C libraries
 * locks each stream to close it: it would then wait for the keyboard. */
static int next_byte(void)
{
    static char bytes[BYTES];
    static int length, position;

    if (position == length) {
        position = 0;
        length = input_is_console() ? read_console(bytes) : read_file_or_pipe(bytes);
        if (length == 0)
            return END_OF_INPUT;
    }
    return (unsigned char)bytes[position++];
}

/* Reads until the line ends, the array is full, or the input ends. */
static void read_line(struct input *input, bool is_console)
{
    static bool ended; /* what comes after the end, or after Ctrl+Z, does not count */
    int byte = 0;

    input->length = 0;
    while (!ended && input->length < INPUT_LINE_SIZE && byte != '\n') {
        byte = next_byte();
        ended = byte == END_OF_INPUT || (is_console && byte == CONTROL_Z);
        if (ended)
            return;
        if (is_console && byte == '\r')
            continue; /* a console ends its lines with CR LF */
        input->line[input->length++] = (char)byte;
    }
}

static bool is_line_q(const struct input *input)
{
    const char *line = input->line;
    int length = input->length;

    if (length > 0 && line[length - 1] == '\n')
        length--;
    if (length > 0 && line[length - 1] == '\r')
        length--;
    return length == 1 && line[0] == 'Q';
}

static DWORD WINAPI read_lines(void *parameter)
{
    struct input *input = parameter;
    bool is_console = input_is_console();
    bool at_line_start = true;
    bool ended;

    do {
        read_line(input, is_console);
        if (at_line_start && is_line_q(input))
            input->length = 0;
        ended = input->length == 0;
        at_line_start = !ended && input->line[input->length - 1] == '\n';
        input->ready();
    } while (!ended && WaitForSingleObject(input->wanted, INFINITE) == WAIT_OBJECT_0);
    CloseHandle(input->wanted); /* after the end no line is wanted */
    return 0;
}

/* Bytes that are not UTF-8 are shown as U+FFFD. */
static bool show(const char *bytes, int length)
{
    static wchar_t units[UNITS];
    DWORD size = (DWORD)MultiByteToWideChar(CP_UTF8, 0, bytes, length, units, UNITS);
    DWORD shown;

    return size == 0 ||
           WriteConsoleW(GetStdHandle(STD_OUTPUT_HANDLE), units, size, &shown, NULL) != 0;
}

static void show_kept(void)
{
    show(echo, kept);
}

void start_input(struct input *input, void (*ready)(void))
{
    output_is_console = is_console_handle(GetStdHandle(STD_OUTPUT_HANDLE));
    if (output_is_console)
        atexit(show_kept);
    if (!input_is_console())
        _setmode(_fileno(stdout), _O_BINARY);
    input->ready = ready;
    input->wanted = CreateEventA(NULL, FALSE, FALSE, NULL);
    if (input->wanted == NULL)
        fail((int)GetLastError(), "CreateEvent for standard input");
    HANDLE thread = CreateThread(NULL, 0, read_lines, input, 0, NULL);
    if (thread == NULL)
        fail((int)GetLastError(), "CreateThread for standard input");
    CloseHandle(thread); /* the thread goes on, and no other waits for it */
}

void next_line(struct input *input)
{
    SetEvent(input->wanted);
}

void show_prompt(void)
{
    if (input_is_console()) {
        printf("message (Q to quit)> ");
        fflush(stdout);
    }
}

/* How many bytes at the end belong to a character that is not complete yet? */
static int unfinished(const char *bytes, int length)
{
    for (int count = 1; count <= 3 && count <= length; count++) {
        unsigned char byte = (unsigned char)bytes[length - count];
        if ((byte & 0xC0) != 0x80) { /* a character's first byte shows how many there are */
            int size = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
            return count < size ? count : 0;
        }
    }
    return 0;
}

static bool show_echo(const char *bytes, int length)
{
    for (int piece; length > 0; bytes += piece, length -= piece) {
        piece = length < UNITS - kept ? length : UNITS - kept;
        memcpy(echo + kept, bytes, (size_t)piece);
        int size = kept + piece;
        kept = unfinished(echo, size);
        if (!show(echo, size - kept))
            return false;
        memmove(echo, echo + size - kept, (size_t)kept);
    }
    return true;
}

static bool write_bytes(const char *bytes, int length)
{
    return fwrite(bytes, 1, (size_t)length, stdout) == (size_t)length && fflush(stdout) == 0;
}

void print_echo(const char *bytes, int length)
{
    if (!(output_is_console ? show_echo(bytes, length) : write_bytes(bytes, length)))
        fail(0, "write to standard output: the reader has gone, or the disk is full");
}
