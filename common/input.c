/* input.c - lines from standard input. See common.h. */
#include "common.h"

#include <fcntl.h>
#include <io.h>

enum { END_OF_INPUT = -1, CONTROL_Z = 0x1A };

static HANDLE standard_input(void)
{
    return GetStdHandle(STD_INPUT_HANDLE);
}

/* Asks once, before the thread reads: while ReadFile blocks on a pipe, any other call on that pipe
 * may block behind it, and this query is such a call. */
bool input_is_console(void)
{
    static bool asked, answer;
    DWORD mode;

    if (!asked)
        answer = GetConsoleMode(standard_input(), &mode) != 0;
    asked = true;
    return answer;
}

FILE *client_narration_stream(void)
{
    return input_is_console() ? stdout : stderr;
}

/* Like getchar. But getchar would keep stdin locked while it waits, and exit(), which locks each
 * stream to close it, would then wait for the keyboard. */
static int next_byte(void)
{
    static unsigned char buffer[4096];
    static DWORD length;
    static DWORD position;

    if (position == length) {
        position = 0;
        SetLastError(ERROR_SUCCESS);
        if (!ReadFile(standard_input(), buffer, sizeof buffer, &length, NULL)) {
            int error = (int)GetLastError();
            /* The writer of a pipe has closed it: that is its end of input. */
            if (error != ERROR_BROKEN_PIPE && error != ERROR_HANDLE_EOF)
                fail(error, "read from standard input");
            length = 0;
        }
        /* Ctrl+C at a console also ends the read; the system is about to end the program. */
        if (length == 0 && GetLastError() == ERROR_OPERATION_ABORTED)
            Sleep(INFINITE);
        if (length == 0)
            return END_OF_INPUT;
    }
    return buffer[position++];
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
    return 0;
}

void start_input(struct input *input, void (*ready)(void))
{
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

void print_echo(const char *bytes, int length)
{
    if (fwrite(bytes, 1, (size_t)length, stdout) != (size_t)length || fflush(stdout) != 0)
        fail(0, "write to standard output: the reader has gone, or the disk is full");
}
