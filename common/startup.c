/* startup.c - the beginning and the end of a program. See common.h. */
#include "common.h"

static void (*stop_function)(void);

void start_winsock(void)
{
    WSADATA data;
    /* WSAStartup returns its error: WSAGetLastError means nothing before Winsock has started. */
    int error = WSAStartup(MAKEWORD(2, 2), &data);
    if (error != 0)
        fail(error, "WSAStartup 2.2");
}

void stop_winsock(void)
{
    WSACleanup();
}

static BOOL WINAPI on_control(DWORD control)
{
    static LONG presses;

    if (control != CTRL_C_EVENT && control != CTRL_BREAK_EVENT)
        return FALSE;
    if (InterlockedIncrement(&presses) > 1)
        return FALSE; /* the next handler is the system's, which ends the program */
    stop_function();
    return TRUE;
}

void call_on_ctrl_c(void (*stop)(void))
{
    stop_function = stop;
    /* A program that was started in its own process group ignores Ctrl+C until this call. */
    SetConsoleCtrlHandler(NULL, FALSE);
    if (!SetConsoleCtrlHandler(on_control, TRUE))
        fail((int)GetLastError(), "SetConsoleCtrlHandler");
}
