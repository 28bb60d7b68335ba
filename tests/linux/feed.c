/*
 * feed.c - starts a program and gives it input that a Linux terminal cannot give. The exit status
 * is the program's.
 *
 *   feed console TEXT COMMAND ...    presses the keys of TEXT at the console; ^ is Ctrl+Z
 *   feed pipe TEXT COMMAND ...       writes TEXT into a pipe, letter by letter; ^ is an empty write
 *
 * In TEXT a / is the end of a line.
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static void press(char letter)
{
    INPUT_RECORD key;
    DWORD count;

    memset(&key, 0, sizeof key);
    key.EventType = KEY_EVENT;
    key.Event.KeyEvent.bKeyDown = TRUE;
    key.Event.KeyEvent.wRepeatCount = 1;
    key.Event.KeyEvent.wVirtualKeyCode = letter == '/' ? VK_RETURN : 0;
    key.Event.KeyEvent.uChar.UnicodeChar = (WCHAR)letter;
    if (letter == '/')
        key.Event.KeyEvent.uChar.UnicodeChar = L'\r';
    if (letter == '^')
        key.Event.KeyEvent.uChar.UnicodeChar = 0x1A;
    WriteConsoleInputW(GetStdHandle(STD_INPUT_HANDLE), &key, 1, &count);
}

/* A pipe of messages: Wine drops an empty write into a pipe of bytes. Returns the write end. */
static HANDLE create_pipe(HANDLE *read_end)
{
    SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
    char name[60];

    snprintf(name, sizeof name, "\\\\.\\pipe\\feed.%lu", GetCurrentProcessId());
    HANDLE write_end =
        CreateNamedPipeA(name, PIPE_ACCESS_OUTBOUND, PIPE_TYPE_MESSAGE, 1, 4096, 4096, 0, NULL);
    *read_end = CreateFileA(name, GENERIC_READ, 0, &inherit, OPEN_EXISTING, 0, NULL);
    return write_end;
}

static void write_letter(HANDLE pipe, char letter)
{
    DWORD written;

    if (letter == '/')
        letter = '\n';
    WriteFile(pipe, &letter, letter == '^' ? 0 : 1, &written, NULL);
    FlushFileBuffers(pipe); /* returns when it has been read: no two writes become one read */
}

int main(int argc, char **argv)
{
    STARTUPINFOA startup;
    PROCESS_INFORMATION started;
    char command[400] = "";
    HANDLE pipe = NULL;
    DWORD status = 0;

    if (argc < 4)
        return 2;
    for (int i = 3; i < argc; i++) {
        size_t length = strlen(command);
        snprintf(command + length, sizeof command - length, "%s ", argv[i]);
    }
    memset(&startup, 0, sizeof startup);
    startup.cb = sizeof startup;
    if (strcmp(argv[1], "pipe") == 0) {
        startup.dwFlags = STARTF_USESTDHANDLES;
        pipe = create_pipe(&startup.hStdInput);
        startup.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
        startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    } else {
        for (const char *letter = argv[2]; *letter != '\0'; letter++)
            press(*letter);
    }
    if (!CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &started)) {
        fprintf(stderr, "feed: cannot start %s: error %lu\n", command, GetLastError());
        return 2;
    }
    if (pipe != NULL) {
        CloseHandle(startup.hStdInput);
        for (const char *letter = argv[2]; *letter != '\0'; letter++)
            write_letter(pipe, *letter);
        CloseHandle(pipe);
    }
    WaitForSingleObject(started.hProcess, INFINITE);
    GetExitCodeProcess(started.hProcess, &status);
    return (int)status;
}
