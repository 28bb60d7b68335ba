/*
 * stand_in.c - a compiler for build.bat under Wine. Named gcc.exe, clang.exe or cl.exe, it hands
 * its command line to compile.sh, which calls the compiler of this Linux machine.
 *
 * Wine starts a Unix program through the path \\?\unix\..., but gives no handle to wait for, and
 * does not pass on standard error: the script leaves its exit status and messages in files.
 *
 * STAND_IN_SCRIPT is the Unix path of compile.sh.
 */
#include <windows.h>
#include <fcntl.h>
#include <io.h>
#include <stdbool.h>
#include <stdio.h>
#include <wchar.h>

enum { MILLISECONDS_AT_MOST = 300 * 1000 };

/* Each look searches a folder, so a compiler that takes longer is looked for less often. */
static int milliseconds_to_next_look(int waited)
{
    return waited < 1000 ? 5 + waited / 20 : 50;
}

static int give_up(const char *why)
{
    fprintf(stderr, "compiler stand-in: %s (error %lu)\n", why, GetLastError());
    return 1;
}

/* The arguments as they were typed, without the program's name. */
static const wchar_t *arguments(void)
{
    const wchar_t *c = GetCommandLineW();
    wchar_t end = *c == L'"' ? L'"' : L' ';
    if (end == L'"')
        c++;
    while (*c != L'\0' && *c != end)
        c++;
    return *c == L'"' ? c + 1 : c;
}

/* Prints the messages of the compiler to our standard error. */
static void print_messages(const wchar_t *status_file)
{
    wchar_t file[MAX_PATH];
    char bytes[4096];
    size_t length;

    swprintf(file, MAX_PATH, L"%ls.messages", status_file);
    FILE *stream = _wfopen(file, L"rb");
    if (stream == NULL)
        return;
    _setmode(_fileno(stderr), _O_BINARY);
    while ((length = fread(bytes, 1, sizeof bytes, stream)) > 0)
        fwrite(bytes, 1, length, stderr);
    fclose(stream);
    DeleteFileW(file);
}

static int wait_for_status(const wchar_t *file)
{
    int pause;
    for (int waited = 0; waited < MILLISECONDS_AT_MOST; waited += pause) {
        FILE *stream = _wfopen(file, L"r");
        if (stream != NULL) {
            int status;
            bool complete = fscanf(stream, "%d", &status) == 1;
            fclose(stream);
            if (complete) {
                DeleteFileW(file);
                print_messages(file);
                return status;
            }
        }
        pause = milliseconds_to_next_look(waited);
        Sleep((DWORD)pause);
    }
    return give_up("the compiler did not end");
}

int main(void)
{
    static wchar_t command[32768];
    wchar_t program[MAX_PATH], name[MAX_PATH], script[MAX_PATH], file[MAX_PATH];

    GetModuleFileNameW(NULL, program, MAX_PATH);
    _wsplitpath(program, NULL, NULL, name, NULL);
    if (GetEnvironmentVariableW(L"STAND_IN_SCRIPT", script, MAX_PATH) == 0)
        return give_up("STAND_IN_SCRIPT is not set");

    wchar_t folder[MAX_PATH];
    GetTempPathW(MAX_PATH, folder);
    swprintf(file, MAX_PATH, L"%lsstand_in.%lu", folder, GetCurrentProcessId());
    DeleteFileW(file);
    swprintf(command, 32768, L"\\\\?\\unix\\bin\\bash \"%ls\" \"%ls\" %ls %ls", script, file, name,
             arguments());

    STARTUPINFOW startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    for (int attempt = 1;; attempt++) {
        if (CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process))
            break;
        /* Wine fails now and then with this error when it has just been started. */
        if (GetLastError() != ERROR_INTERNAL_ERROR || attempt == 5)
            return give_up("bash could not be started");
        Sleep(200);
    }
    return wait_for_status(file);
}
