/*
 * right.c - programs that are right in unusual ways: the verifier must not disturb them, and has
 * nothing to report. Compiled with verifier.h before it, and linked with verifier.c; or without.
 *
 *   right.exe --list       the names of the cases
 *   right.exe NAME         no output, exit status 0; or one line that begins with "wrong: ", exit
 *                          status 1
 *
 * Nothing waits for longer than a few seconds, unless it goes wrong.
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pair.h"

enum { TRIES = 4, HALF = LENGTH / 2 }; /* what the verifier does at random is tried more often */

/* ---- what the cases share ------------------------------------------------------------------ */

/* The operation must succeed; returns the number of its bytes. */
static DWORD result_of(SOCKET socket, struct io *io)
{
    DWORD bytes = 0;
    must(WSAGetOverlappedResult(socket, &io->overlapped, &bytes, TRUE, &io->flags), "a result");
    return bytes;
}

/* Waits for the packet of this operation, which must succeed; returns the number of its bytes. */
static DWORD packet_of(HANDLE port, const struct io *io)
{
    OVERLAPPED *overlapped = NULL;
    ULONG_PTR key;
    DWORD bytes;

    must(GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, AT_MOST), "no packet comes");
    must(overlapped == &io->overlapped, "the packet is that of another operation");
    return bytes;
}

static void give(SOCKET socket, const char *bytes, int length)
{
    must(send(socket, bytes, length, 0) == length, "send");
}

static int routines_run;

static void CALLBACK count(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped, DWORD flags)
{
    must(error == 0, "a routine is told of an error");
    routines_run++;
    (void)bytes, (void)overlapped, (void)flags;
}

/* ---- datagrams ----------------------------------------------------------------------------- */

static SOCKET datagram_socket(void)
{
    struct sockaddr_in address = loopback();
    SOCKET made = socket(AF_INET, SOCK_DGRAM, 0);

    must(made != INVALID_SOCKET, "socket");
    must(bind(made, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    return made;
}

/* `there` is connected: its datagrams go to `here`. */
static struct pair datagram_pair(void)
{
    struct pair pair = {datagram_socket(), datagram_socket(), NULL};
    struct sockaddr_in address = address_of(pair.here);

    must(connect(pair.there, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    return pair;
}

static void datagrams_stay_whole(void)
{
    struct pair pair = datagram_pair();
    struct sockaddr_in address = address_of(pair.here);
    const struct sockaddr *to = (const struct sockaddr *)&address;
    char bytes[100] = {0}, received[200];

    for (int i = 0; i < 3 * TRIES; i++) {
        must(sendto(pair.there, bytes, 100, 0, to, sizeof address) == 100, "sendto");
        must(recvfrom(pair.here, received, 200, 0, NULL, NULL) == 100, "recvfrom: a part");
        give(pair.there, bytes, 100);
        must(recv(pair.here, received, 200, 0) == 100, "recv: a part");
    }
    hang_up(pair);
}

static void overlapped_datagrams_stay_whole(void)
{
    struct pair pair = datagram_pair();
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);

    for (int i = 0; i < 3 * TRIES; i++) {
        io->buffer.len = HALF;
        begun(WSASend(pair.there, &io->buffer, 1, NULL, 0, &io->overlapped, NULL));
        must(result_of(pair.there, io) == HALF, "WSASend: a part");
        io->buffer.len = LENGTH;
        io->flags = 0;
        begin_receive(pair.here, io);
        must(result_of(pair.here, io) == HALF, "WSARecv: a part");
    }
    hang_up(pair);
    WSACloseEvent(event);
    free(io);
}

/* An echo server at a port; its operations complete immediately. */
static void packets_of_datagrams(void)
{
    struct pair pair = datagram_pair();
    struct io *io = new_io(NULL);
    struct sockaddr_in address;
    struct sockaddr *peer = (struct sockaddr *)&address;
    int length = sizeof address;

    pair.port = CreateIoCompletionPort((HANDLE)pair.here, NULL, 0, 0);
    for (int i = 0; i < TRIES; i++) {
        give(pair.there, "hello", 5);
        io->buffer.len = LENGTH;
        io->flags = 0;
        begun(WSARecvFrom(pair.here, &io->buffer, 1, NULL, &io->flags, peer, &length,
                          &io->overlapped, NULL));
        must(packet_of(pair.port, io) == 5, "the length that was received");
        io->buffer.len = 5;
        begun(WSASendTo(pair.here, &io->buffer, 1, NULL, 0, peer, length, &io->overlapped, NULL));
        must(packet_of(pair.port, io) == 5, "the length that was sent");
        must(recv(pair.there, io->bytes, LENGTH, 0) == 5, "the echo");
    }
    hang_up(pair);
    free(io);
}

static void routines_of_datagrams(void)
{
    struct pair pair = datagram_pair();
    struct io *receive = new_io(NULL), *answer = new_io(NULL);
    struct sockaddr_in address = address_of(pair.there);

    begun(WSARecv(pair.here, &receive->buffer, 1, NULL, &receive->flags, &receive->overlapped,
                  count));
    give(pair.there, "x", 1);
    begun(WSASendTo(pair.here, &answer->buffer, 1, NULL, 0, (struct sockaddr *)&address,
                    sizeof address, &answer->overlapped, count));
    while (routines_run < 2)
        must(SleepEx(AT_MOST, TRUE) == WAIT_IO_COMPLETION, "a routine does not run");
    hang_up(pair);
    free(receive);
    free(answer);
}

static DWORD WINAPI receive_datagram(void *socket)
{
    char bytes[LENGTH];
    must(recv((SOCKET)socket, bytes, LENGTH, 0) == 5, "a datagram");
    return 0;
}

/* Unlike the bytes of a stream, they cannot mix. */
static void two_threads_receive_datagrams(void)
{
    struct pair pair = datagram_pair();
    HANDLE one = begin_thread(receive_datagram, (void *)pair.here);
    HANDLE other = begin_thread(receive_datagram, (void *)pair.here);

    give(pair.there, "hello", 5);
    give(pair.there, "world", 5);
    end_thread(one);
    end_thread(other);
    hang_up(pair);
}

/* ---- buffers ------------------------------------------------------------------------------- */

/* These bytes come, in their order, and perhaps in pieces. */
static void must_come(SOCKET socket, const char *bytes, int length)
{
    for (int came = 0; came < length;) {
        char found[LENGTH];
        int n = recv(socket, found, min(LENGTH, length - came), 0);
        must(n > 0, "what was sent comes");
        must(memcmp(found, bytes + came, (size_t)n) == 0, "in its order");
        came += n;
    }
}

static void many_buffers(void)
{
    enum { MANY = 40 };
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);
    WSABUF buffers[MANY];
    char bytes[MANY];

    for (int i = 0; i < MANY; i++) {
        bytes[i] = (char)i;
        buffers[i] = (WSABUF){1, bytes + i};
    }
    for (DWORD sent = 0; sent < MANY;) { /* in part, as other sends */
        begun(WSASend(pair.here, buffers + sent, MANY - sent, NULL, 0, &io->overlapped, NULL));
        DWORD part = packet_of(pair.port, io);
        must(part > 0 && part <= MANY - sent, "the length that was sent");
        sent += part;
    }
    must_come(pair.there, bytes, MANY);
    give(pair.there, bytes, MANY);
    begun(WSARecv(pair.here, buffers, MANY, NULL, &io->flags, &io->overlapped, NULL));
    memset(buffers, 0, sizeof buffers); /* the call has copied them */
    must(packet_of(pair.port, io) > 0, "the length that was received");
    hang_up(pair);
    free(io);
}

/* Some sends have few buffers, and the next one has many; all have the same OVERLAPPED, and none
 * that completes immediately has a packet. */
static void few_buffers_then_many(void)
{
    enum { MANY = 40, ROUNDS = 40, ALL = MANY * ROUNDS };
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);
    WSABUF buffers[MANY];
    char bytes[ALL];
    DWORD sent = 0;

    must(
        SetFileCompletionNotificationModes((HANDLE)pair.here, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS),
        "SetFileCompletionNotificationModes");
    for (int i = 0; i < ALL; i++)
        bytes[i] = (char)(i / 7);
    for (int i = 0; i < ROUNDS; i++) {
        DWORD count = i % 2 == 0 ? 1 : MANY, part = 0;
        for (DWORD j = 0; j < count; j++)
            buffers[j] = (WSABUF){1, bytes + sent + j};
        int result = WSASend(pair.here, buffers, count, NULL, 0, &io->overlapped, NULL);
        begun(result);
        part = result == 0 ? result_of(pair.here, io) : packet_of(pair.port, io);
        must(part > 0 && part <= count, "the length that was sent");
        sent += part;
    }
    must_come(pair.there, bytes, (int)sent);
    hang_up(pair);
    free(io);
}

static void wait_for_all_bytes(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);

    io->buffer.len = LENGTH;
    for (int i = 0; i < TRIES; i++) {
        io->flags = MSG_WAITALL;
        begin_receive(pair.here, io);
        give(pair.there, "0123456789abcdef", LENGTH); /* Wine wants one piece */
        must(result_of(pair.here, io) == LENGTH, "MSG_WAITALL: a part");
        must(memcmp(io->bytes, "0123456789abcdef", LENGTH) == 0, "MSG_WAITALL: other bytes");
    }
    hang_up(pair);
    WSACloseEvent(event);
    free(io);
}

/* It asks for what is missing, into the same buffer: that is as much as the last receive gave. */
static void skip_exactly(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);
    DWORD missing = LENGTH;

    give(pair.there, "01234567", HALF);
    while (missing > 0) {
        io->buffer.len = missing;
        io->flags = 0;
        begin_receive(pair.here, io);
        missing -= result_of(pair.here, io);
        if (missing == HALF)
            give(pair.there, "89abcdef", HALF);
    }
    hang_up(pair);
    WSACloseEvent(event);
    free(io);
}

/* Nothing is written into a buffer of no bytes, so it does not matter where it is. */
static void empty_buffer_inside_another(void)
{
    enum { MUCH = 16 * 1024 * 1024 };
    struct pair pair = connect_pair();
    WSAEVENT events[] = {WSACreateEvent(), WSACreateEvent()};
    struct io *io = new_io(events[0]), *empty = new_io(events[1]);

    io->buffer = (WSABUF){MUCH, calloc(1, MUCH)};
    empty->buffer = (WSABUF){0, io->buffer.buf + 5};
    begun(WSASend(pair.here, &io->buffer, 1, NULL, 0, &io->overlapped, NULL));
    begin_receive(pair.here, empty);
    give(pair.there, "x", 1);
    must(result_of(pair.here, empty) == 0, "a receive of no bytes");
    closesocket(pair.there); /* the rest is lost */
    wait_for(events[0]);
    closesocket(pair.here);
    WSACloseEvent(events[0]);
    WSACloseEvent(events[1]);
    free(io->buffer.buf);
    free(io);
    free(empty);
}

/* A buffer of zeros is a string after the receive. */
static void rest_of_buffer_stays(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);

    io->buffer.len = LENGTH - 1;
    begin_receive(pair.here, io);
    give(pair.there, "x", 1);
    must(result_of(pair.here, io) == 1, "the length that was received");
    must(strcmp(io->bytes, "x") == 0, "the buffer behind the bytes that were received");
    hang_up(pair);
    WSACloseEvent(event);
    free(io);
}

static void buffer_stays_after_failure(void)
{
    SOCKET unconnected = bound_socket(true);
    struct io *io = new_io(NULL);

    strcpy(io->bytes, "kept");
    io->buffer.len = LENGTH;
    must(WSARecv(unconnected, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL) != 0 &&
             WSAGetLastError() == WSAENOTCONN,
         "an immediate failure");
    must(strcmp(io->bytes, "kept") == 0, "the buffer of a receive that failed immediately");
    closesocket(unconnected);
    free(io);
}

static void realloc_to_nothing(void)
{
    char *nothing = realloc(malloc(LENGTH), 0);
    must(nothing == NULL, "realloc to no bytes, which is free");
}

/* ---- results ------------------------------------------------------------------------------- */

/* Without an event, GetOverlappedResult waits for the socket itself: good enough for the only
 * operation of a socket, such as one that is cancelled. */
static void result_without_event(void)
{
    struct pair pair = connect_pair();
    struct io *io = new_io(NULL);
    DWORD bytes;

    begin_receive(pair.here, io);
    must(CancelIoEx((HANDLE)pair.here, &io->overlapped), "CancelIoEx");
    must(!GetOverlappedResult((HANDLE)pair.here, &io->overlapped, &bytes, TRUE) &&
             GetLastError() == ERROR_OPERATION_ABORTED,
         "the result of an operation that was cancelled");
    hang_up(pair);
    free(io);
}

/* The operation has an event, and its socket a port: both learn of the end. */
static void event_and_port(void)
{
    struct pair pair = connect_at_port(), another = connect_pair();
    WSAEVENT events[] = {WSACreateEvent(), WSACreateEvent()};
    struct io *io = new_io(events[0]), *in_progress = new_io(events[1]);

    begin_receive(another.here, in_progress);
    begin_receive(pair.here, io);
    give(pair.there, "x", 1);
    wait_for(events[0]);
    must(packet_of(pair.port, io) == 1, "the length that was received");
    give(another.there, "y", 1);
    wait_for(events[1]);
    must(result_of(another.here, in_progress) == 1, "the other receive");
    hang_up(pair);
    hang_up(another);
    WSACloseEvent(events[0]);
    WSACloseEvent(events[1]);
    free(io);
    free(in_progress);
}

/* Both ends of a pipe; the operations of `here` are overlapped. */
struct pipe {
    HANDLE here, there;
};

static struct pipe make_pipe(void)
{
    struct pipe pipe;
    char name[50];

    snprintf(name, sizeof name, "\\\\.\\pipe\\right-%lu", GetCurrentProcessId());
    pipe.here = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE, 1,
                                 LENGTH, LENGTH, 0, NULL);
    pipe.there = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    must(pipe.here != INVALID_HANDLE_VALUE && pipe.there != INVALID_HANDLE_VALUE, "a pipe");
    return pipe;
}

/* The OVERLAPPED of an operation that is over receives three bytes from a pipe. */
static void read_from_pipe(struct io *io)
{
    struct pipe pipe = make_pipe();
    DWORD bytes = 0;

    must(!ReadFile(pipe.here, io->bytes, LENGTH, NULL, &io->overlapped) &&
             GetLastError() == ERROR_IO_PENDING,
         "ReadFile from a pipe without bytes");
    must(WriteFile(pipe.there, "abc", 3, &bytes, NULL), "WriteFile");
    must(GetOverlappedResult(pipe.here, &io->overlapped, &bytes, TRUE), "the result of ReadFile");
    must(bytes == 3 && memcmp(io->bytes, "abc", 3) == 0, "the bytes of ReadFile");
    CloseHandle(pipe.here);
    CloseHandle(pipe.there);
}

static void pipe_after_receive(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);

    give(pair.there, "x", 1);
    begin_receive(pair.here, io);
    must(result_of(pair.here, io) == 1, "the length that was received");
    read_from_pipe(io);
    hang_up(pair);
    WSACloseEvent(event);
    free(io);
}

static void pipe_after_failed_receive(void)
{
    SOCKET unconnected = bound_socket(true);
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);

    must(WSARecv(unconnected, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL) != 0 &&
             WSAGetLastError() == WSAENOTCONN,
         "an immediate failure");
    read_from_pipe(io);
    closesocket(unconnected);
    WSACloseEvent(event);
    free(io);
}

/* ---- waits and routines -------------------------------------------------------------------- */

static void CALLBACK free_in_pool(void *argument, BOOLEAN is_timeout)
{
    struct io *io = argument;
    HANDLE finished = *(HANDLE *)io->bytes;

    must(!is_timeout && io->overlapped.InternalHigh == 1, "the length that was received");
    free(io);
    SetEvent(finished);
}

/* The thread pool waits for the event. What follows the OVERLAPPED is not received into. */
static void pool_waits(void)
{
    struct pair pair = connect_pair();
    HANDLE wait, finished = CreateEventW(NULL, TRUE, FALSE, NULL);
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);
    char byte;

    memcpy(io->bytes, &finished, sizeof finished);
    io->buffer.buf = &byte;
    begin_receive(pair.here, io);
    must(RegisterWaitForSingleObject(&wait, event, free_in_pool, io, INFINITE, WT_EXECUTEONLYONCE),
         "RegisterWaitForSingleObject");
    give(pair.there, "x", 1);
    wait_for(finished);
    UnregisterWaitEx(wait, INVALID_HANDLE_VALUE);
    hang_up(pair);
    CloseHandle(finished);
    WSACloseEvent(event);
}

static HANDLE *handles;

/* The wait has begun, and has its own copy of them. */
static DWORD WINAPI replace_handles(void *argument)
{
    HANDLE *more = malloc(3 * sizeof *more);

    more[0] = handles[0];
    more[1] = handles[1];
    more[2] = CreateEventW(NULL, TRUE, FALSE, NULL);
    free(handles);
    handles = more;
    SetEvent(more[0]);
    (void)argument;
    return 0;
}

static DWORD WINAPI wait_for_handles(void *argument)
{
    must(WaitForMultipleObjects(2, handles, FALSE, AT_MOST) == WAIT_OBJECT_0, "the wait");
    (void)argument;
    return 0;
}

static void handles_freed_in_wait(void)
{
    handles = malloc(2 * sizeof *handles);
    handles[0] = CreateEventW(NULL, TRUE, FALSE, NULL);
    handles[1] = CreateEventW(NULL, TRUE, FALSE, NULL);
    HANDLE waits = begin_thread(wait_for_handles, NULL);

    replace_handles(NULL);
    end_thread(waits);
    for (int i = 0; i < 3; i++)
        CloseHandle(handles[i]);
    free(handles);
}

static WSAEVENT events_of_wait[2];

static void CALLBACK close_event(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped, DWORD flags)
{
    must(WSACloseEvent(events_of_wait[1]), "WSACloseEvent");
    count(error, bytes, overlapped, flags);
}

/* The routine has interrupted the wait for the event, which is over. */
static void event_closed_by_routine(void)
{
    struct pair pair = connect_pair();
    struct io *io = new_io(NULL);

    for (int i = 0; i < 2; i++)
        events_of_wait[i] = WSACreateEvent();
    begun(WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, &io->overlapped, close_event));
    give(pair.there, "x", 1);
    must(WSAWaitForMultipleEvents(2, events_of_wait, FALSE, AT_MOST, TRUE) ==
             WSA_WAIT_IO_COMPLETION,
         "the routine does not run");
    hang_up(pair);
    WSACloseEvent(events_of_wait[0]);
    free(io);
}

static SOCKET for_routine;

static void CALLBACK receive_now(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped, DWORD flags)
{
    char byte;
    recv(for_routine, &byte, 1, 0);
    count(error, bytes, overlapped, flags);
}

/* The routine may use recv, because the socket does not block. */
static void made_non_blocking_by_ioctl(void)
{
    struct pair pair = connect_pair();
    struct io *io = new_io(NULL);
    u_long yes = 1;
    DWORD bytes;

    must(WSAIoctl(pair.here, FIONBIO, &yes, sizeof yes, NULL, 0, &bytes, NULL, NULL) == 0,
         "WSAIoctl");
    for_routine = pair.here;
    io->buffer.len = 0;
    begun(WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, &io->overlapped, receive_now));
    give(pair.there, "x", 1);
    must(SleepEx(AT_MOST, TRUE) == WAIT_IO_COMPLETION, "the routine does not run");
    hang_up(pair);
    free(io);
}

/* ---- WSAEventSelect ------------------------------------------------------------------------ */

/* Receives up to LENGTH bytes. */
typedef int receive_function(SOCKET socket, char *bytes);

static int receive_from(SOCKET socket, char *bytes)
{
    return recvfrom(socket, bytes, LENGTH, 0, NULL, NULL);
}

static int receive_into_two(SOCKET socket, char *bytes)
{
    WSABUF buffers[] = {{HALF, bytes}, {HALF, bytes + HALF}};
    DWORD received = 0, flags = 0;
    int result = WSARecv(socket, buffers, 2, &received, &flags, NULL, NULL);
    return result == 0 ? (int)received : SOCKET_ERROR;
}

/* Each FD_READ is followed by as many receives as succeed, until the peer's end. */
static void receive_until_end(receive_function *receive)
{
    struct pair pair = connect_pair();
    WSAEVENT event = WSACreateEvent();
    char sent[100] = {0}, bytes[LENGTH];
    int received = SOCKET_ERROR, total = 0;

    must(WSAEventSelect(pair.here, event, FD_READ | FD_CLOSE) == 0, "WSAEventSelect");
    give(pair.there, sent, sizeof sent);
    shutdown(pair.there, SD_SEND);
    while (received != 0) {
        WSANETWORKEVENTS happened;
        wait_for(event);
        must(WSAEnumNetworkEvents(pair.here, event, &happened) == 0, "WSAEnumNetworkEvents");
        while ((received = receive(pair.here, bytes)) > 0)
            total += received;
        must(received == 0 || WSAGetLastError() == WSAEWOULDBLOCK, "a receive");
    }
    must(total == sizeof sent, "bytes are missing before the end");
    hang_up(pair);
    WSACloseEvent(event);
}

static void recvfrom_after_events(void)
{
    for (int i = 0; i < TRIES; i++)
        receive_until_end(receive_from);
}

static void two_buffers_after_events(void)
{
    for (int i = 0; i < TRIES; i++)
        receive_until_end(receive_into_two);
}

/* A blocking socket that has had FD_READ for five bytes, and WSAEventSelect no more. */
static struct pair leave_events(void)
{
    struct pair pair = connect_pair();
    WSAEVENT event = WSACreateEvent();
    WSANETWORKEVENTS happened = {0};
    u_long no = 0;

    must(WSAEventSelect(pair.here, event, FD_READ | FD_CLOSE) == 0, "WSAEventSelect");
    give(pair.there, "hello", 5);
    while (!(happened.lNetworkEvents & FD_READ)) {
        wait_for(event);
        must(WSAEnumNetworkEvents(pair.here, event, &happened) == 0, "WSAEnumNetworkEvents");
    }
    must(WSAEventSelect(pair.here, NULL, 0) == 0, "WSAEventSelect");
    must(ioctlsocket(pair.here, (long)FIONBIO, &no) == 0, "ioctlsocket");
    WSACloseEvent(event);
    return pair;
}

static bool selects(SOCKET socket)
{
    struct timeval time = {AT_MOST / 1000, 0};
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(socket, &readable);
    return select(0, &readable, NULL, NULL, &time) == 1;
}

static bool polls(SOCKET socket)
{
    WSAPOLLFD polled = {socket, POLLRDNORM, 0};
    return WSAPoll(&polled, 1, AT_MOST) == 1 && polled.revents == POLLRDNORM;
}

static void receive_five(bool (*is_readable)(SOCKET))
{
    struct pair pair = leave_events();

    for (int received = 0, more; received < 5; received += more) {
        char bytes[LENGTH];
        must(is_readable(pair.here), "bytes are there, but the socket is not readable");
        must((more = recv(pair.here, bytes, LENGTH, 0)) > 0, "recv");
    }
    hang_up(pair);
}

static void select_after_events(void)
{
    for (int i = 0; i < TRIES; i++)
        receive_five(selects);
}

static void poll_after_events(void)
{
    for (int i = 0; i < TRIES; i++)
        receive_five(polls);
}

static void wait_for_all_after_events(void)
{
    for (int i = 0; i < TRIES; i++) {
        struct pair pair = leave_events();
        char bytes[LENGTH];
        give(pair.there, "world", 5);
        must(recv(pair.here, bytes, 10, MSG_WAITALL) == 10, "MSG_WAITALL: a part");
        must(memcmp(bytes, "helloworld", 10) == 0, "MSG_WAITALL: other bytes");
        hang_up(pair);
    }
}

static void zero_receive_after_events(void)
{
    for (int i = 0; i < TRIES; i++) {
        struct pair pair = leave_events();
        WSAEVENT event = WSACreateEvent();
        struct io *io = new_io(event);

        io->buffer.len = 0;
        begin_receive(pair.here, io);
        wait_for(event);
        must(result_of(pair.here, io) == 0, "a receive of no bytes");
        hang_up(pair);
        WSACloseEvent(event);
        free(io);
    }
}

/* ---- programs and sockets ------------------------------------------------------------------ */

static char **environment_of_main;

static void third_parameter_of_main(void)
{
    must(environment_of_main != NULL && environment_of_main[0] != NULL, "no environment");
    must(strchr(environment_of_main[0], '=') != NULL, "not an environment");
}

static SOCKET to_close;
static WSAEVENT event_to_close;

static void close_all(void)
{
    closesocket(to_close);
    WSACloseEvent(event_to_close);
    WSACleanup();
}

static void closed_at_exit(void)
{
    start_winsock();
    atexit(close_all);
    to_close = listening_socket();
    event_to_close = WSACreateEvent();
    must(WSAEventSelect(to_close, event_to_close, FD_ACCEPT) == 0, "WSAEventSelect");
}

/* As in a library whose means of transport can be replaced. */
static void called_through_pointers(void)
{
    SOCKET(WINAPI * make)(int, int, int) = socket;
    int(WINAPI * transmit)(SOCKET, const char *, int, int) = send;
    SOCKET listener = listening_socket();
    struct sockaddr_in address = address_of(listener);
    struct pair pair = {make(AF_INET, SOCK_STREAM, 0), INVALID_SOCKET, NULL};
    char byte;

    must(connect(pair.here, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    pair.there = accept(listener, NULL, NULL);
    must(transmit(pair.here, "x", 1, 0) == 1, "send");
    must(recv(pair.there, &byte, 1, 0) == 1, "recv");
    hang_up(pair);
    closesocket(listener);
}

static void datagrams_through_pointers(void)
{
    SOCKET(WINAPI * make)(int, int, int) = socket;
    struct sockaddr_in address = loopback(), from = {0};
    struct pair pair = {datagram_socket(), make(AF_INET, SOCK_DGRAM, 0), NULL};
    struct sockaddr_in here = address_of(pair.here);
    int length = sizeof from;
    char byte;

    must(sendto(pair.there, "x", 1, 0, (struct sockaddr *)&here, sizeof here) == 1, "sendto");
    must(recvfrom(pair.here, &byte, 1, 0, (struct sockaddr *)&from, &length) == 1, "recvfrom");
    must(from.sin_addr.s_addr == address.sin_addr.s_addr, "recvfrom does not say from where");
    hang_up(pair);
}

/* The socket belongs to a port already: the call makes none. */
static void second_port_fails(void)
{
    struct pair pair = connect_at_port();

    must(CreateIoCompletionPort((HANDLE)pair.here, NULL, 0, 0) == NULL, "a second port");
    hang_up(pair);
}

/* The option was set, and the address bound, with the other number of the same socket. */
static void duplicate_listens(void)
{
    SOCKET bound = bound_socket(true), duplicate;
    WSAPROTOCOL_INFOW info;

    must(WSADuplicateSocketW(bound, GetCurrentProcessId(), &info) == 0, "WSADuplicateSocketW");
    duplicate = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
                           WSA_FLAG_OVERLAPPED);
    must(duplicate != INVALID_SOCKET, "WSASocketW");
    must(listen(duplicate, SOMAXCONN) == 0, "listen");
    closesocket(bound);
    closesocket(duplicate);
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct {
    void (*play)(void);
    const char *name;
} cases[] = {
#define CASE(name) name, #name
    {CASE(datagrams_stay_whole)},
    {CASE(overlapped_datagrams_stay_whole)},
    {CASE(packets_of_datagrams)},
    {CASE(routines_of_datagrams)},
    {CASE(two_threads_receive_datagrams)},
    {CASE(many_buffers)},
    {CASE(few_buffers_then_many)},
    {CASE(wait_for_all_bytes)},
    {CASE(skip_exactly)},
    {CASE(empty_buffer_inside_another)},
    {CASE(rest_of_buffer_stays)},
    {CASE(buffer_stays_after_failure)},
    {CASE(realloc_to_nothing)},
    {CASE(result_without_event)},
    {CASE(event_and_port)},
    {CASE(pipe_after_receive)},
    {CASE(pipe_after_failed_receive)},
    {CASE(pool_waits)},
    {CASE(handles_freed_in_wait)},
    {CASE(event_closed_by_routine)},
    {CASE(made_non_blocking_by_ioctl)},
    {CASE(recvfrom_after_events)},
    {CASE(two_buffers_after_events)},
    {CASE(select_after_events)},
    {CASE(poll_after_events)},
    {CASE(wait_for_all_after_events)},
    {CASE(zero_receive_after_events)},
    {CASE(third_parameter_of_main)},
    {CASE(closed_at_exit)},
    {CASE(called_through_pointers)},
    {CASE(datagrams_through_pointers)},
    {CASE(second_port_fails)},
    {CASE(duplicate_listens)},
};

enum { CASES = sizeof cases / sizeof cases[0] };

int main(int argc, char **argv, char **environment)
{
    bool lists = argc == 2 && strcmp(argv[1], "--list") == 0;

    environment_of_main = environment;
    for (int i = 0; i < CASES; i++) {
        if (lists) {
            puts(cases[i].name);
        } else if (argc == 2 && strcmp(argv[1], cases[i].name) == 0) {
            start_winsock();
            cases[i].play();
            WSACleanup();
            return 0;
        }
    }
    if (!lists)
        fprintf(stderr, "usage: right.exe --list | NAME\n");
    return lists ? 0 : 2;
}
