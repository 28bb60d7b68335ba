/*
 * pair.h - what rules.c and right.c share: both ends of a connection on this computer, and an
 * operation. Each of the two uses all of it.
 */
#ifndef PAIR_H
#define PAIR_H

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { LENGTH = 16, AWHILE = 200, AT_MOST = 3000 };

/* One operation, for some bytes. */
struct io {
    OVERLAPPED overlapped;
    WSABUF buffer;
    DWORD flags;
    char bytes[LENGTH];
};

/* Both ends of a connection; the operations of `here` complete at the port, if there is one. */
struct pair {
    SOCKET here, there;
    HANDLE port;
};

static void must(bool happened, const char *what)
{
    if (happened)
        return;
    printf("wrong: %s (error %lu)\n", what, GetLastError());
    exit(1);
}

/* ---- sockets ------------------------------------------------------------------------------- */

static void start_winsock(void)
{
    WSADATA data;
    must(WSAStartup(MAKEWORD(2, 2), &data) == 0, "WSAStartup");
}

static struct sockaddr_in loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address; /* with port 0, the system chooses one */
}

static SOCKET bound_socket(bool is_exclusive)
{
    struct sockaddr_in address = loopback();
    SOCKET made = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    BOOL yes = TRUE;

    must(made != INVALID_SOCKET, "WSASocketW");
    if (is_exclusive)
        setsockopt(made, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&yes, sizeof yes);
    must(bind(made, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    return made;
}

static SOCKET listening_socket(void)
{
    SOCKET listener = bound_socket(true);
    must(listen(listener, SOMAXCONN) == 0, "listen");
    return listener;
}

static struct sockaddr_in address_of(SOCKET bound)
{
    struct sockaddr_in address;
    int length = sizeof address;
    must(getsockname(bound, (struct sockaddr *)&address, &length) == 0, "getsockname");
    return address;
}

/* `there` connects to `here`, which is made with these flags of WSASocket. */
static struct pair connect_with(DWORD flags)
{
    struct pair pair = {WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, flags), INVALID_SOCKET, NULL};
    SOCKET listener = listening_socket();
    struct sockaddr_in address = address_of(listener);

    must(connect(pair.here, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    pair.there = accept(listener, NULL, NULL);
    must(pair.there != INVALID_SOCKET, "accept");
    closesocket(listener);
    return pair;
}

static struct pair connect_pair(void)
{
    return connect_with(WSA_FLAG_OVERLAPPED);
}

static struct pair connect_at_port(void)
{
    struct pair pair = connect_pair();
    pair.port = CreateIoCompletionPort((HANDLE)pair.here, NULL, 0, 0);
    must(pair.port != NULL, "CreateIoCompletionPort");
    return pair;
}

static void hang_up(struct pair pair)
{
    closesocket(pair.here);
    closesocket(pair.there);
    if (pair.port != NULL)
        CloseHandle(pair.port);
}

/* ---- operations ---------------------------------------------------------------------------- */

static struct io *new_io(HANDLE event)
{
    struct io *io = calloc(1, sizeof *io);
    must(io != NULL, "calloc");
    io->overlapped.hEvent = event;
    io->buffer.buf = io->bytes;
    io->buffer.len = 1;
    return io;
}

/* The result of a call that begins an operation. */
static void begun(int result)
{
    must(result == 0 || WSAGetLastError() == WSA_IO_PENDING, "the beginning of an operation");
}

static void begin_receive(SOCKET socket, struct io *io)
{
    begun(WSARecv(socket, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL));
}

static void wait_for(HANDLE handle)
{
    must(WaitForSingleObject(handle, AT_MOST) == WAIT_OBJECT_0, "WaitForSingleObject");
}

/* Starts a thread, and gives it the time to reach its wait. */
static HANDLE begin_thread(LPTHREAD_START_ROUTINE start, void *argument)
{
    HANDLE thread = CreateThread(NULL, 0, start, argument, 0, NULL);
    must(thread != NULL, "CreateThread");
    Sleep(AWHILE);
    return thread;
}

static void end_thread(HANDLE thread)
{
    wait_for(thread);
    CloseHandle(thread);
}

#endif
