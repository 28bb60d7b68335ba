/*
 * verifier.h - a Winsock as strict as its documentation and as unkind as Windows may be.
 *
 * Put it before a source, and link verifier.c with the program:
 *
 *   cl  /std:c11 /FI tests\verifier\verifier.h server.c common\*.c tests\verifier\verifier.c
 *   gcc -std=c11 -include tests/verifier/verifier.h server.c common/[a-z]*.c \
 *       tests/verifier/verifier.c -o server.exe -lws2_32
 *
 * build.bat verify does that. Each call of Winsock, of the completion ports, and of what belongs to
 * them then goes through verifier.c, together with its place in the source. A broken rule is one
 * line on standard error, once for each place:
 *
 *   RULE 31: send (server.c:143) uses a socket that was closed by closesocket (server.c:131)
 *
 * course/rules.md explains each rule. Environment variables:
 *
 *   VERIFIER_SEED=N        from 1: also be unkind; the same N makes the same decisions. 0 or unset:
 *                          the rules alone
 *   VERIFIER_UNKIND=A,B    only these kinds of it; their names are in unkindness.h
 *
 * Exit status: that of the program, or 3 if it would be 0 although a rule has been broken.
 *
 * Windows' headers are included here, so the macros that they look at (UNICODE, for example) must
 * be on the command line, not in the source. FD_SETSIZE may be in either. A program begins with
 * main. A structure's member cannot be called as a function if it has the name of one of these,
 * and free cannot be given to another function.
 *
 * Datagrams, DisconnectEx and TransmitFile are left to Winsock. What verifier.h does not know
 * cannot be used on a stream that belongs to a port, or has had an overlapped operation:
 * TransmitPackets, WSASendMsg, WSARecvMsg, GetOverlappedResultEx, the ports of thread pools.
 */
#ifndef VERIFIER_H
#define VERIFIER_H

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0601
#endif

/* So that an fd_set has room for whatever FD_SETSIZE the source defines later. */
#ifdef FD_SETSIZE
#undef FD_SETSIZE
#endif
#define FD_SETSIZE 4096
#define _WINSOCK_DEPRECATED_NO_WARNINGS
#ifndef _CRT_SECURE_NO_WARNINGS
#define _CRT_SECURE_NO_WARNINGS
#define VERIFIER_DEFINED_CRT
#endif

#ifdef _MSC_VER
#pragma warning(push)
#pragma warning(disable : 5105)
#endif
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <malloc.h>
#include <process.h>
#include <stdlib.h>
#include <string.h>
#ifdef _MSC_VER
#pragma warning(pop)
#endif

/* Without WIN32_LEAN_AND_MEAN, windows.h defines these; a source may use the names. */
#undef small
#undef interface

#undef FD_SETSIZE
#define FD_SETSIZE 64
#undef _WINSOCK_DEPRECATED_NO_WARNINGS
#ifdef VERIFIER_DEFINED_CRT
#undef _CRT_SECURE_NO_WARNINGS
#endif

/* Every function below does what the one without verifier_ does; its first argument is the place of
 * the call. */
#define VERIFIER_PLACE __FILE__, __LINE__
#define VERIFIER_AT    const char *file, int line
#ifdef _MSC_VER
#define VERIFIER_NEVER_RETURNS __declspec(noreturn)
#else
#define VERIFIER_NEVER_RETURNS _Noreturn
#endif

/* ---- the program --------------------------------------------------------------------------- */

int verifier_WSAStartup(VERIFIER_AT, WORD version, WSADATA *data);
int verifier_WSACleanup(VERIFIER_AT);
VERIFIER_NEVER_RETURNS void verifier_exit(VERIFIER_AT, int status);

/* ---- memory -------------------------------------------------------------------------------- */

void *verifier_malloc(VERIFIER_AT, size_t size);
void *verifier_calloc(VERIFIER_AT, size_t count, size_t size);
void *verifier_realloc(VERIFIER_AT, void *memory, size_t size);
char *verifier_strdup(VERIFIER_AT, const char *text);
void verifier_free(VERIFIER_AT, void *memory);

/* ---- sockets ------------------------------------------------------------------------------- */

SOCKET verifier_socket(VERIFIER_AT, int family, int type, int protocol);
SOCKET verifier_WSASocketA(VERIFIER_AT, int family, int type, int protocol, WSAPROTOCOL_INFOA *info,
                           GROUP group, DWORD flags);
SOCKET verifier_WSASocketW(VERIFIER_AT, int family, int type, int protocol, WSAPROTOCOL_INFOW *info,
                           GROUP group, DWORD flags);
int verifier_closesocket(VERIFIER_AT, SOCKET socket);
int verifier_bind(VERIFIER_AT, SOCKET socket, const struct sockaddr *address, int length);
int verifier_listen(VERIFIER_AT, SOCKET socket, int backlog);
SOCKET verifier_accept(VERIFIER_AT, SOCKET socket, struct sockaddr *address, int *length);
SOCKET verifier_WSAAccept(VERIFIER_AT, SOCKET socket, struct sockaddr *address, int *length,
                          LPCONDITIONPROC condition, DWORD_PTR data);
int verifier_connect(VERIFIER_AT, SOCKET socket, const struct sockaddr *address, int length);
int verifier_send(VERIFIER_AT, SOCKET socket, const char *bytes, int length, int flags);
int verifier_recv(VERIFIER_AT, SOCKET socket, char *bytes, int length, int flags);
int verifier_sendto(VERIFIER_AT, SOCKET socket, const char *bytes, int length, int flags,
                    const struct sockaddr *to, int to_length);
int verifier_recvfrom(VERIFIER_AT, SOCKET socket, char *bytes, int length, int flags,
                      struct sockaddr *from, int *from_length);
int verifier_shutdown(VERIFIER_AT, SOCKET socket, int how);
int verifier_setsockopt(VERIFIER_AT, SOCKET socket, int level, int option, const char *value,
                        int length);
int verifier_getsockopt(VERIFIER_AT, SOCKET socket, int level, int option, char *value,
                        int *length);
int verifier_getpeername(VERIFIER_AT, SOCKET socket, struct sockaddr *address, int *length);
int verifier_getsockname(VERIFIER_AT, SOCKET socket, struct sockaddr *address, int *length);
int verifier_ioctlsocket(VERIFIER_AT, SOCKET socket, long command, u_long *argument);
int verifier_select(VERIFIER_AT, int ignored, fd_set *readable, fd_set *writable, fd_set *others,
                    const struct timeval *timeout);
int verifier_WSAPoll(VERIFIER_AT, WSAPOLLFD *polled, ULONG count, int timeout);
int verifier_WSAIoctl(VERIFIER_AT, SOCKET socket, DWORD command, void *in, DWORD in_size, void *out,
                      DWORD out_size, DWORD *bytes, WSAOVERLAPPED *overlapped,
                      LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);

/* ---- events -------------------------------------------------------------------------------- */

WSAEVENT verifier_WSACreateEvent(VERIFIER_AT);
HANDLE verifier_CreateEventA(VERIFIER_AT, SECURITY_ATTRIBUTES *attributes, BOOL manual, BOOL set,
                             const char *name);
HANDLE verifier_CreateEventW(VERIFIER_AT, SECURITY_ATTRIBUTES *attributes, BOOL manual, BOOL set,
                             const wchar_t *name);
BOOL verifier_WSACloseEvent(VERIFIER_AT, WSAEVENT event);
BOOL verifier_WSASetEvent(VERIFIER_AT, WSAEVENT event);
BOOL verifier_SetEvent(VERIFIER_AT, HANDLE event);
int verifier_WSAEventSelect(VERIFIER_AT, SOCKET socket, WSAEVENT event, long mask);
int verifier_WSAEnumNetworkEvents(VERIFIER_AT, SOCKET socket, WSAEVENT event,
                                  WSANETWORKEVENTS *events);
DWORD verifier_WSAWaitForMultipleEvents(VERIFIER_AT, DWORD count, const WSAEVENT *events, BOOL all,
                                        DWORD milliseconds, BOOL alertable);
DWORD verifier_WaitForMultipleObjects(VERIFIER_AT, DWORD count, const HANDLE *handles, BOOL all,
                                      DWORD milliseconds);
DWORD verifier_WaitForMultipleObjectsEx(VERIFIER_AT, DWORD count, const HANDLE *handles, BOOL all,
                                        DWORD milliseconds, BOOL alertable);
DWORD verifier_WaitForSingleObject(VERIFIER_AT, HANDLE handle, DWORD milliseconds);
DWORD verifier_WaitForSingleObjectEx(VERIFIER_AT, HANDLE handle, DWORD milliseconds,
                                     BOOL alertable);
DWORD verifier_SleepEx(VERIFIER_AT, DWORD milliseconds, BOOL alertable);
BOOL verifier_RegisterWaitForSingleObject(VERIFIER_AT, HANDLE *wait, HANDLE handle,
                                          WAITORTIMERCALLBACK function, void *context,
                                          ULONG milliseconds, ULONG flags);
void verifier_SetThreadpoolWait(VERIFIER_AT, TP_WAIT *wait, HANDLE handle, FILETIME *timeout);
void verifier_watch(HANDLE event);

#ifndef NOUSER
static inline DWORD verifier_MsgWaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all,
                                                       DWORD milliseconds, DWORD messages)
{
    for (DWORD i = 0; i < count; i++)
        verifier_watch(handles[i]);
    return MsgWaitForMultipleObjects(count, handles, all, milliseconds, messages);
}
#endif

/* ---- overlapped operations ----------------------------------------------------------------- */

int verifier_WSARecv(VERIFIER_AT, SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes,
                     DWORD *flags, WSAOVERLAPPED *overlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int verifier_WSASend(VERIFIER_AT, SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes,
                     DWORD flags, WSAOVERLAPPED *overlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int verifier_WSARecvFrom(VERIFIER_AT, SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes,
                         DWORD *flags, struct sockaddr *from, int *from_length,
                         WSAOVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int verifier_WSASendTo(VERIFIER_AT, SOCKET socket, WSABUF *buffers, DWORD count, DWORD *bytes,
                       DWORD flags, const struct sockaddr *to, int to_length,
                       WSAOVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
BOOL verifier_ReadFile(VERIFIER_AT, HANDLE handle, void *bytes, DWORD length, DWORD *done,
                       OVERLAPPED *overlapped);
BOOL verifier_WriteFile(VERIFIER_AT, HANDLE handle, const void *bytes, DWORD length, DWORD *done,
                        OVERLAPPED *overlapped);
BOOL verifier_AcceptEx(VERIFIER_AT, SOCKET listener, SOCKET accepted, void *buffer,
                       DWORD data_length, DWORD local_length, DWORD remote_length, DWORD *bytes,
                       OVERLAPPED *overlapped);
BOOL verifier_TransmitFile(VERIFIER_AT, SOCKET socket, HANDLE from, DWORD length, DWORD each,
                           OVERLAPPED *overlapped, TRANSMIT_FILE_BUFFERS *around, DWORD flags);
BOOL verifier_WSAGetOverlappedResult(VERIFIER_AT, SOCKET socket, WSAOVERLAPPED *overlapped,
                                     DWORD *bytes, BOOL wait, DWORD *flags);
BOOL verifier_GetOverlappedResult(VERIFIER_AT, HANDLE handle, OVERLAPPED *overlapped, DWORD *bytes,
                                  BOOL wait);
BOOL verifier_HasOverlappedIoCompleted(const OVERLAPPED *overlapped);
BOOL verifier_CancelIo(VERIFIER_AT, HANDLE handle);
BOOL verifier_CancelIoEx(VERIFIER_AT, HANDLE handle, OVERLAPPED *overlapped);

/* ---- ports, handles, threads --------------------------------------------------------------- */

HANDLE verifier_CreateIoCompletionPort(VERIFIER_AT, HANDLE handle, HANDLE port, ULONG_PTR key,
                                       DWORD threads);
BOOL verifier_GetQueuedCompletionStatus(VERIFIER_AT, HANDLE port, DWORD *bytes, ULONG_PTR *key,
                                        OVERLAPPED **overlapped, DWORD milliseconds);
BOOL verifier_GetQueuedCompletionStatusEx(VERIFIER_AT, HANDLE port, OVERLAPPED_ENTRY *entries,
                                          ULONG count, ULONG *taken, DWORD milliseconds,
                                          BOOL alertable);
BOOL verifier_SetFileCompletionNotificationModes(VERIFIER_AT, HANDLE handle, UCHAR modes);
BOOL verifier_CloseHandle(VERIFIER_AT, HANDLE handle);
HANDLE verifier_CreateThread(VERIFIER_AT, SECURITY_ATTRIBUTES *attributes, SIZE_T stack,
                             LPTHREAD_START_ROUTINE start, void *argument, DWORD flags, DWORD *id);
uintptr_t verifier_beginthreadex(VERIFIER_AT, void *attributes, unsigned stack,
                                 unsigned(__stdcall *start)(void *), void *argument, unsigned flags,
                                 unsigned *id);
VERIFIER_NEVER_RETURNS void verifier_ExitThread(VERIFIER_AT, DWORD status);
void verifier_endthreadex(VERIFIER_AT, unsigned status);
BOOL verifier_TerminateThread(VERIFIER_AT, HANDLE thread, DWORD status);
BOOL verifier_SetConsoleCtrlHandler(VERIFIER_AT, PHANDLER_ROUTINE handler, BOOL add);

/* verifier.c itself calls the real ones. */
#ifndef VERIFIER_ITSELF

#define main verified_main

#define WSAStartup(...) verifier_WSAStartup(VERIFIER_PLACE, __VA_ARGS__)
#define WSACleanup()    verifier_WSACleanup(VERIFIER_PLACE)
#define exit(...)       verifier_exit(VERIFIER_PLACE, __VA_ARGS__)

#undef malloc
#undef calloc
#undef realloc
#undef free
#define malloc(...)  verifier_malloc(VERIFIER_PLACE, __VA_ARGS__)
#define calloc(...)  verifier_calloc(VERIFIER_PLACE, __VA_ARGS__)
#define realloc(...) verifier_realloc(VERIFIER_PLACE, __VA_ARGS__)
#define strdup(...)  verifier_strdup(VERIFIER_PLACE, __VA_ARGS__)
#define _strdup(...) verifier_strdup(VERIFIER_PLACE, __VA_ARGS__)
#define free(...)    verifier_free(VERIFIER_PLACE, __VA_ARGS__)

#define socket(...)      verifier_socket(VERIFIER_PLACE, __VA_ARGS__)
#define WSASocketA(...)  verifier_WSASocketA(VERIFIER_PLACE, __VA_ARGS__)
#define WSASocketW(...)  verifier_WSASocketW(VERIFIER_PLACE, __VA_ARGS__)
#define closesocket(...) verifier_closesocket(VERIFIER_PLACE, __VA_ARGS__)
#define bind(...)        verifier_bind(VERIFIER_PLACE, __VA_ARGS__)
#define listen(...)      verifier_listen(VERIFIER_PLACE, __VA_ARGS__)
#define accept(...)      verifier_accept(VERIFIER_PLACE, __VA_ARGS__)
#define WSAAccept(...)   verifier_WSAAccept(VERIFIER_PLACE, __VA_ARGS__)
#define connect(...)     verifier_connect(VERIFIER_PLACE, __VA_ARGS__)
#define send(...)        verifier_send(VERIFIER_PLACE, __VA_ARGS__)
#define recv(...)        verifier_recv(VERIFIER_PLACE, __VA_ARGS__)
#define sendto(...)      verifier_sendto(VERIFIER_PLACE, __VA_ARGS__)
#define recvfrom(...)    verifier_recvfrom(VERIFIER_PLACE, __VA_ARGS__)
#define shutdown(...)    verifier_shutdown(VERIFIER_PLACE, __VA_ARGS__)
#define setsockopt(...)  verifier_setsockopt(VERIFIER_PLACE, __VA_ARGS__)
#define getsockopt(...)  verifier_getsockopt(VERIFIER_PLACE, __VA_ARGS__)
#define getpeername(...) verifier_getpeername(VERIFIER_PLACE, __VA_ARGS__)
#define getsockname(...) verifier_getsockname(VERIFIER_PLACE, __VA_ARGS__)
#define ioctlsocket(...) verifier_ioctlsocket(VERIFIER_PLACE, __VA_ARGS__)
#define select(...)      verifier_select(VERIFIER_PLACE, __VA_ARGS__)
#define WSAPoll(...)     verifier_WSAPoll(VERIFIER_PLACE, __VA_ARGS__)
#define WSAIoctl(...)    verifier_WSAIoctl(VERIFIER_PLACE, __VA_ARGS__)

#define WSACreateEvent()              verifier_WSACreateEvent(VERIFIER_PLACE)
#define CreateEventA(...)             verifier_CreateEventA(VERIFIER_PLACE, __VA_ARGS__)
#define CreateEventW(...)             verifier_CreateEventW(VERIFIER_PLACE, __VA_ARGS__)
#define WSACloseEvent(...)            verifier_WSACloseEvent(VERIFIER_PLACE, __VA_ARGS__)
#define WSASetEvent(...)              verifier_WSASetEvent(VERIFIER_PLACE, __VA_ARGS__)
#define SetEvent(...)                 verifier_SetEvent(VERIFIER_PLACE, __VA_ARGS__)
#define WSAEventSelect(...)           verifier_WSAEventSelect(VERIFIER_PLACE, __VA_ARGS__)
#define WSAEnumNetworkEvents(...)     verifier_WSAEnumNetworkEvents(VERIFIER_PLACE, __VA_ARGS__)
#define WSAWaitForMultipleEvents(...) verifier_WSAWaitForMultipleEvents(VERIFIER_PLACE, __VA_ARGS__)
#define WaitForMultipleObjects(...)   verifier_WaitForMultipleObjects(VERIFIER_PLACE, __VA_ARGS__)
#define WaitForMultipleObjectsEx(...) verifier_WaitForMultipleObjectsEx(VERIFIER_PLACE, __VA_ARGS__)
#define WaitForSingleObject(...)      verifier_WaitForSingleObject(VERIFIER_PLACE, __VA_ARGS__)
#define WaitForSingleObjectEx(...)    verifier_WaitForSingleObjectEx(VERIFIER_PLACE, __VA_ARGS__)
#define SleepEx(...)                  verifier_SleepEx(VERIFIER_PLACE, __VA_ARGS__)
#define SetThreadpoolWait(...)        verifier_SetThreadpoolWait(VERIFIER_PLACE, __VA_ARGS__)
#define RegisterWaitForSingleObject(...)                                                           \
    verifier_RegisterWaitForSingleObject(VERIFIER_PLACE, __VA_ARGS__)
#ifndef NOUSER
#define MsgWaitForMultipleObjects(...) verifier_MsgWaitForMultipleObjects(__VA_ARGS__)
#endif

#define WSARecv(...)                verifier_WSARecv(VERIFIER_PLACE, __VA_ARGS__)
#define WSASend(...)                verifier_WSASend(VERIFIER_PLACE, __VA_ARGS__)
#define WSARecvFrom(...)            verifier_WSARecvFrom(VERIFIER_PLACE, __VA_ARGS__)
#define WSASendTo(...)              verifier_WSASendTo(VERIFIER_PLACE, __VA_ARGS__)
#define ReadFile(...)               verifier_ReadFile(VERIFIER_PLACE, __VA_ARGS__)
#define WriteFile(...)              verifier_WriteFile(VERIFIER_PLACE, __VA_ARGS__)
#define AcceptEx(...)               verifier_AcceptEx(VERIFIER_PLACE, __VA_ARGS__)
#define TransmitFile(...)           verifier_TransmitFile(VERIFIER_PLACE, __VA_ARGS__)
#define WSAGetOverlappedResult(...) verifier_WSAGetOverlappedResult(VERIFIER_PLACE, __VA_ARGS__)
#define GetOverlappedResult(...)    verifier_GetOverlappedResult(VERIFIER_PLACE, __VA_ARGS__)
#undef HasOverlappedIoCompleted
#define HasOverlappedIoCompleted(overlapped) verifier_HasOverlappedIoCompleted(overlapped)
#define CancelIo(...)                        verifier_CancelIo(VERIFIER_PLACE, __VA_ARGS__)
#define CancelIoEx(...)                      verifier_CancelIoEx(VERIFIER_PLACE, __VA_ARGS__)

#define CreateIoCompletionPort(...) verifier_CreateIoCompletionPort(VERIFIER_PLACE, __VA_ARGS__)
#define GetQueuedCompletionStatus(...)                                                             \
    verifier_GetQueuedCompletionStatus(VERIFIER_PLACE, __VA_ARGS__)
#define GetQueuedCompletionStatusEx(...)                                                           \
    verifier_GetQueuedCompletionStatusEx(VERIFIER_PLACE, __VA_ARGS__)
#define SetFileCompletionNotificationModes(...)                                                    \
    verifier_SetFileCompletionNotificationModes(VERIFIER_PLACE, __VA_ARGS__)
#define CloseHandle(...)           verifier_CloseHandle(VERIFIER_PLACE, __VA_ARGS__)
#define CreateThread(...)          verifier_CreateThread(VERIFIER_PLACE, __VA_ARGS__)
#define _beginthreadex(...)        verifier_beginthreadex(VERIFIER_PLACE, __VA_ARGS__)
#define SetConsoleCtrlHandler(...) verifier_SetConsoleCtrlHandler(VERIFIER_PLACE, __VA_ARGS__)
#define ExitThread(...)            verifier_ExitThread(VERIFIER_PLACE, __VA_ARGS__)
#define _endthreadex(...)          verifier_endthreadex(VERIFIER_PLACE, __VA_ARGS__)
#define TerminateThread(...)       verifier_TerminateThread(VERIFIER_PLACE, __VA_ARGS__)

/* Unlike that of winsock2.h, it does not write beyond the end of an array of unknown size. */
#undef FD_SET
#define FD_SET(member, set)                                                                        \
    do {                                                                                           \
        fd_set *verifier_set = (set);                                                              \
        SOCKET verifier_member = (member);                                                         \
        u_int verifier_i = 0;                                                                      \
        while (verifier_i < verifier_set->fd_count &&                                              \
               verifier_set->fd_array[verifier_i] != verifier_member)                              \
            verifier_i++;                                                                          \
        if (verifier_i == verifier_set->fd_count && verifier_i < (u_int)(FD_SETSIZE) &&            \
            verifier_i < sizeof verifier_set->fd_array / sizeof verifier_set->fd_array[0])         \
            verifier_set->fd_array[verifier_set->fd_count++] = verifier_member;                    \
    } while (0)

#endif
#endif
