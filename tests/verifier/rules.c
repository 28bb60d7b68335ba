/*
 * rules.c - cases for each rule of the verifier: a few lines that break it, or keep it. Compiled
 * with verifier.h before it, and linked with verifier.c.
 *
 *   rules.exe --list       the cases: name, rule, call, and the text of the report
 *   rules.exe NAME breaks  one line on standard error, of the line marked RULE; exit status 3
 *   rules.exe NAME keeps   the same thing done right: no output; exit status 0
 *   rules.exe all keeps    likewise, all of them one after the other
 *
 * Apart from its rule, a case does everything right. Nothing waits for longer than a few seconds.
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pair.h"

/* Waits for the packet of an operation, whatever its outcome. */
static void take_packet(HANDLE port)
{
    OVERLAPPED *overlapped = NULL;
    ULONG_PTR key;
    DWORD bytes;
    GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, AT_MOST);
    must(overlapped != NULL, "GetQueuedCompletionStatus");
}

/* Closes a pair whose operations still have to give this many packets. */
static void end_pair(struct pair pair, int packets)
{
    closesocket(pair.there);
    for (int i = 0; i < packets; i++)
        take_packet(pair.port);
    closesocket(pair.here);
    CloseHandle(pair.port);
}

static DWORD WINAPI receive_byte(void *socket)
{
    char byte;
    recv((SOCKET)socket, &byte, 1, 0);
    return 0;
}

static DWORD WINAPI wait_for_event(void *event)
{
    WaitForSingleObject(event, 1000);
    return 0;
}

/* ---- 7: waits ------------------------------------------------------------------------------ */

static void no_handle(bool breaks)
{
    WSAEVENT event = WSACreateEvent();
    WSAWaitForMultipleEvents(breaks ? 0 : 1, &event, FALSE, 0, FALSE); /* RULE */
    WSACloseEvent(event);
}

static void too_many_handles(bool breaks)
{
    WSAEVENT events[WSA_MAXIMUM_WAIT_EVENTS + 1];
    DWORD count = breaks ? WSA_MAXIMUM_WAIT_EVENTS + 1 : WSA_MAXIMUM_WAIT_EVENTS;

    for (DWORD i = 0; i < count; i++)
        events[i] = WSACreateEvent();
    WSAWaitForMultipleEvents(count, events, FALSE, 0, FALSE); /* RULE */
    for (DWORD i = 0; i < count; i++)
        WSACloseEvent(events[i]);
}

static void event_closed_in_wait(bool breaks)
{
    WSAEVENT event = WSACreateEvent();
    HANDLE thread = begin_thread(wait_for_event, event);

    if (!breaks)
        wait_for(thread);
    WSACloseEvent(event); /* RULE */
    end_thread(thread);
}

/* ---- 9: it failed immediately -------------------------------------------------------------- */

static void result_of_failure(bool breaks)
{
    SOCKET unconnected = bound_socket(true);
    struct io *io = new_io(NULL);
    DWORD bytes, flags;

    must(WSARecv(unconnected, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL) != 0 &&
             WSAGetLastError() != WSA_IO_PENDING,
         "an immediate failure");
    if (breaks)
        WSAGetOverlappedResult(unconnected, &io->overlapped, &bytes, FALSE, &flags); /* RULE */
    closesocket(unconnected);
    free(io);
}

/* ---- 10: what belongs to the system -------------------------------------------------------- */

static void overlapped_again(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *receive = new_io(NULL), *send = new_io(NULL);
    OVERLAPPED *overlapped = breaks ? &receive->overlapped : &send->overlapped;

    begin_receive(pair.here, receive);
    begun(WSASend(pair.here, &send->buffer, 1, NULL, 0, overlapped, NULL)); /* RULE */
    end_pair(pair, 2);
    free(receive);
    free(send);
}

static void buffer_again(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *receive = new_io(NULL), *send = new_io(NULL);
    WSABUF *buffer = breaks ? &receive->buffer : &send->buffer;

    begin_receive(pair.here, receive);
    begun(WSASend(pair.here, buffer, 1, NULL, 0, &send->overlapped, NULL)); /* RULE */
    end_pair(pair, 2);
    free(receive);
    free(send);
}

/* A client is freed when its socket is closed: its last operation has not completed yet. */
static void overlapped_freed(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    begin_receive(pair.here, io);
    if (!breaks)
        end_pair(pair, 1);
    free(io); /* RULE */
    if (breaks)
        end_pair(pair, 1);
}

static void buffer_freed(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    io->buffer.buf = malloc(1);
    begin_receive(pair.here, io);
    if (!breaks)
        end_pair(pair, 1);
    free(io->buffer.buf); /* RULE */
    if (breaks)
        end_pair(pair, 1);
    free(io);
}

/* An array of clients that grows. */
static void buffer_moved(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL), *moved;

    begin_receive(pair.here, io);
    if (!breaks)
        end_pair(pair, 1);
    moved = realloc(io, 2 * sizeof *io); /* RULE */
    if (breaks)
        end_pair(pair, 1);
    free(moved);
}

/* Uses the memory of a function that has returned for something else. */
static int use_stack(void)
{
    volatile char memory[4096];
    for (size_t i = 0; i < sizeof memory; i++)
        memory[i] = 0x55;
    return memory[0];
}

static void receive_on_stack(struct pair pair, struct io *io, bool breaks)
{
    OVERLAPPED on_stack = {0};
    OVERLAPPED *overlapped = breaks ? &on_stack : &io->overlapped;
    begun(WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, overlapped, NULL)); /* RULE */
}

static void overlapped_on_stack(bool breaks)
{
    /* Through pointers, so that the compiler does not make one function out of all of them. */
    void (*volatile receive)(struct pair, struct io *, bool) = receive_on_stack;
    int (*volatile use)(void) = use_stack;
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    receive(pair, io, breaks);
    use();
    end_pair(pair, 1);
    free(io);
}

/* Memory that disappears without free: this, or the stack of a thread that ends. */
static void overlapped_gone(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);
    OVERLAPPED *page = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);

    begun(WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, page, NULL)); /* RULE */
    if (!breaks)
        end_pair(pair, 1);
    VirtualFree(page, 0, MEM_RELEASE);
    if (breaks)
        end_pair(pair, 1);
    free(io);
}

static void buffer_gone(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);
    io->buffer.buf = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);

    begun(WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL)); /* RULE */
    if (!breaks)
        end_pair(pair, 1);
    VirtualFree(io->buffer.buf, 0, MEM_RELEASE);
    if (breaks)
        end_pair(pair, 1);
    free(io);
}

/* A send that has not completed: the peer does not receive, and the system's buffers are full. */
static void bytes_changed(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);
    enum { MUCH = 64 * 1024 * 1024 };

    io->buffer.buf = calloc(1, MUCH);
    io->buffer.len = MUCH;
    begun(WSASend(pair.here, &io->buffer, 1, NULL, 0, &io->overlapped, NULL)); /* RULE */
    if (breaks)
        io->buffer.buf[0] = 'x';
    end_pair(pair, 1);
    free(io->buffer.buf);
    free(io);
}

static void buffer_written(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    begun(WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL)); /* RULE */
    if (breaks)
        io->bytes[0] = 'x';
    end_pair(pair, 1);
    free(io);
}

static void event_closed_in_progress(bool breaks)
{
    struct pair pair = connect_pair();
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);

    begin_receive(pair.here, io);
    if (!breaks) {
        send(pair.there, "x", 1, 0);
        wait_for(event);
    }
    WSACloseEvent(event); /* RULE */
    Sleep(breaks ? AWHILE : 0);
    hang_up(pair);
    Sleep(breaks ? AWHILE : 0);
    HasOverlappedIoCompleted(&io->overlapped);
    free(io);
}

/* No broken rule is reported, but the bytes that are read show it: the buffer is full of 0xEE. */
static void buffer_read_early(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    begin_receive(pair.here, io);
    if (breaks)
        printf("read too early: 0x%02X\n", (unsigned char)io->bytes[0]);
    send(pair.there, "x", 1, 0);
    take_packet(pair.port);
    must(io->bytes[0] == 'x', "the receive");
    free(io);
    hang_up(pair);
}

/* ---- 11: arguments of WSARecv and WSASend -------------------------------------------------- */

static void no_flags(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);
    DWORD *flags = breaks ? NULL : &io->flags;

    send(pair.there, "x", 1, 0);
    int result = WSARecv(pair.here, &io->buffer, 1, NULL, flags, &io->overlapped, NULL); /* RULE */
    if (result == 0 || WSAGetLastError() == WSA_IO_PENDING)
        take_packet(pair.port);
    free(io);
    hang_up(pair);
}

static void byte_count(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);
    DWORD bytes = 0, *count = breaks ? &bytes : NULL;

    begun(WSASend(pair.here, &io->buffer, 1, count, 0, &io->overlapped, NULL)); /* RULE */
    take_packet(pair.port);
    free(io);
    hang_up(pair);
}

/* ---- 12: results --------------------------------------------------------------------------- */

static void result_without_event(bool breaks)
{
    struct pair pair = connect_pair();
    WSAEVENT event = breaks ? NULL : WSACreateEvent();
    struct io *io = new_io(event);
    DWORD bytes, flags;

    begin_receive(pair.here, io);
    shutdown(pair.there, SD_SEND);
    WSAGetOverlappedResult(pair.here, &io->overlapped, &bytes, TRUE, &flags); /* RULE */
    hang_up(pair);
    if (event != NULL)
        WSACloseEvent(event);
    free(io);
}

static void result_without_flags(bool breaks)
{
    struct pair pair = connect_pair();
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);
    DWORD bytes, flags = 0, *where = breaks ? NULL : &flags;

    begin_receive(pair.here, io);
    shutdown(pair.there, SD_SEND);
    WSAGetOverlappedResult(pair.here, &io->overlapped, &bytes, TRUE, where); /* RULE */
    hang_up(pair);
    WSACloseEvent(event);
    free(io);
}

/* ---- 13 and 14: an event, and an overlapped socket ----------------------------------------- */

static void one_event_for_two(bool breaks)
{
    struct pair pair = connect_pair();
    WSAEVENT events[] = {WSACreateEvent(), WSACreateEvent()};
    struct io *one = new_io(events[0]), *other = new_io(events[breaks ? 0 : 1]);

    begin_receive(pair.here, one);
    begun(WSASend(pair.here, &other->buffer, 1, NULL, 0, &other->overlapped, NULL)); /* RULE */
    wait_for(other->overlapped.hEvent);
    send(pair.there, "x", 1, 0);
    DWORD bytes, flags;
    WSAGetOverlappedResult(pair.here, &one->overlapped, &bytes, TRUE, &flags);
    hang_up(pair);
    WSACloseEvent(events[0]);
    WSACloseEvent(events[1]);
    free(one);
    free(other);
}

static void not_overlapped(bool breaks)
{
    struct pair pair = connect_with(breaks ? 0 : WSA_FLAG_OVERLAPPED);
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);

    send(pair.there, "x", 1, 0);
    WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL); /* RULE */
    if (!breaks)
        wait_for(event);
    hang_up(pair);
    WSACloseEvent(event);
    free(io);
}

/* ---- 15, 17 and 18: threads and routines --------------------------------------------------- */

static bool routine_ran;

static void CALLBACK routine(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped, DWORD flags)
{
    routine_ran = true;
    (void)error, (void)bytes, (void)overlapped, (void)flags;
}

/* For a thread that begins a receive. */
struct work {
    struct pair pair;
    struct io *io;
    bool breaks;
};

static DWORD WINAPI begin_and_end(void *argument)
{
    const struct work *work = argument;
    struct io *io = work->io;
    WSABUF *buffer = &io->buffer;

    begun(WSARecv(work->pair.here, buffer, 1, NULL, &io->flags, &io->overlapped, NULL)); /* RULE */
    if (!work->breaks)
        wait_for(io->overlapped.hEvent);
    return 0;
}

static void thread_ends(bool breaks)
{
    WSAEVENT event = WSACreateEvent();
    struct work work = {connect_pair(), new_io(event), breaks};
    HANDLE thread = begin_thread(begin_and_end, &work);

    send(work.pair.there, "x", 1, 0);
    end_thread(thread);
    wait_for(event);
    hang_up(work.pair);
    WSACloseEvent(event);
    free(work.io);
}

static DWORD WINAPI begin_and_exit(void *argument)
{
    const struct work *work = argument;
    struct io *io = work->io;
    WSABUF *to = &io->buffer;

    begun(WSARecv(work->pair.here, to, 1, NULL, &io->flags, &io->overlapped, routine)); /* RULE */
    while (!work->breaks && !routine_ran)
        SleepEx(AT_MOST, TRUE);
    ExitThread(0);
}

static void thread_exits(bool breaks)
{
    struct work work = {connect_pair(), new_io(NULL), breaks};
    HANDLE thread = begin_thread(begin_and_exit, &work);

    if (breaks)
        wait_for(thread);
    send(work.pair.there, "x", 1, 0);
    end_thread(thread);
    Sleep(breaks ? AWHILE : 0);
    hang_up(work.pair);
    free(work.io);
}

static DWORD WINAPI begin_and_stay(void *argument)
{
    const struct work *work = argument;
    struct io *io = work->io;
    WSABUF *to = &io->buffer;

    begun(WSARecv(work->pair.here, to, 1, NULL, &io->flags, &io->overlapped, routine)); /* RULE */
    while (!routine_ran) {
        if (work->breaks)
            Sleep(AT_MOST); /* until it is terminated */
        else
            SleepEx(AT_MOST, TRUE);
    }
    return 0;
}

static void thread_terminated(bool breaks)
{
    struct work work = {connect_pair(), new_io(NULL), breaks};
    HANDLE thread = begin_thread(begin_and_stay, &work);

    Sleep(breaks ? AWHILE : 0);
    if (breaks)
        TerminateThread(thread, 0);
    send(work.pair.there, "x", 1, 0);
    end_thread(thread);
    Sleep(breaks ? AWHILE : 0);
    hang_up(work.pair);
    free(work.io);
}

static void routine_and_port(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);
    WSABUF *to = &io->buffer;

    send(pair.there, "x", 1, 0);
    LPWSAOVERLAPPED_COMPLETION_ROUTINE run = breaks ? routine : NULL;
    int result = WSARecv(pair.here, to, 1, NULL, &io->flags, &io->overlapped, run); /* RULE */
    if (result == 0 || WSAGetLastError() == WSA_IO_PENDING)
        take_packet(pair.port);
    hang_up(pair);
    free(io);
}

/* A program that hangs: the report must come before its end. */
static void never_alertable(bool breaks)
{
    struct pair pair = connect_pair();
    struct io *io = new_io(NULL);

    begun(WSASend(pair.here, &io->buffer, 1, NULL, 0, &io->overlapped, routine)); /* RULE */
    if (breaks)
        SleepEx(AT_MOST + 2 * AWHILE, FALSE);
    while (!routine_ran)
        SleepEx(AT_MOST, TRUE);
    hang_up(pair);
    free(io);
}

static void routine_never_ran(bool breaks)
{
    struct pair pair = connect_pair();
    struct io *io = new_io(NULL);
    WSABUF *to = &io->buffer;

    begun(WSARecv(pair.here, to, 1, NULL, &io->flags, &io->overlapped, routine)); /* RULE */
    send(pair.there, "x", 1, 0);
    Sleep(AWHILE);
    while (!breaks && !routine_ran)
        SleepEx(AT_MOST, TRUE);
    hang_up(pair);
    if (!breaks)
        free(io);
}

/* ---- 21: WSABUF.len ------------------------------------------------------------------------ */

static void length_not_set_again(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    io->buffer.len = LENGTH;
    begin_receive(pair.here, io);
    send(pair.there, "x", 1, 0);
    take_packet(pair.port);
    io->buffer.len = breaks ? 1 : LENGTH; /* an echo sends what it has received: 1 byte */
    io->flags = 0;
    begun(WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL)); /* RULE */
    end_pair(pair, 1);
    free(io);
}

/* ---- 22: blocking calls -------------------------------------------------------------------- */

static SOCKET for_routine;

static void CALLBACK receives_more(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped, DWORD flags)
{
    char more;
    recv(for_routine, &more, 1, 0); /* RULE */
    routine(error, bytes, overlapped, flags);
}

static void routine_blocks(bool breaks)
{
    struct pair pair = connect_pair();
    struct io *io = new_io(NULL);
    WSABUF *to = &io->buffer;
    u_long yes = 1;

    for_routine = pair.here;
    if (!breaks)
        ioctlsocket(pair.here, FIONBIO, &yes);
    begun(WSARecv(pair.here, to, 1, NULL, &io->flags, &io->overlapped, receives_more));
    send(pair.there, "xy", 2, 0);
    while (!routine_ran)
        SleepEx(AT_MOST, TRUE);
    hang_up(pair);
    free(io);
}

/* ---- 26 and 27: a key, and threads --------------------------------------------------------- */

static void key_cut(bool breaks)
{
    struct pair pair = connect_pair();
    struct io *io = new_io(NULL);
    ULONG_PTR key = breaks ? (DWORD)(ULONG_PTR)io : (ULONG_PTR)io;

    pair.port = CreateIoCompletionPort((HANDLE)pair.here, NULL, key, 0); /* RULE */
    hang_up(pair);
    free(io);
}

static void two_threads_receive(bool breaks)
{
    struct pair pair = connect_pair();
    HANDLE thread = begin_thread(receive_byte, (void *)pair.here);
    u_long yes = 1;
    char byte;

    if (!breaks) {
        send(pair.there, "x", 1, 0);
        wait_for(thread);
    }
    ioctlsocket(pair.here, (long)FIONBIO, &yes); /* so that this recv does not wait */
    recv(pair.here, &byte, 1, 0);                /* RULE */
    shutdown(pair.there, SD_SEND);
    end_thread(thread);
    hang_up(pair);
}

static DWORD WINAPI begin_only(void *argument)
{
    const struct work *work = argument;
    begin_receive(work->pair.here, work->io);
    return 0;
}

static void two_threads_begin(bool breaks)
{
    struct work work = {connect_at_port(), new_io(NULL), breaks};
    struct io *io = new_io(NULL);
    SOCKET here = work.pair.here;

    end_thread(begin_thread(begin_only, &work));
    if (!breaks) {
        send(work.pair.there, "x", 1, 0);
        take_packet(work.pair.port);
    }
    begun(WSARecv(here, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL)); /* RULE */
    shutdown(work.pair.there, SD_SEND);
    take_packet(work.pair.port);
    if (breaks)
        take_packet(work.pair.port);
    hang_up(work.pair);
    free(work.io);
    free(io);
}

/* ---- 28: AcceptEx and ConnectEx ------------------------------------------------------------ */

static SOCKET new_socket(void)
{
    SOCKET made = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    must(made != INVALID_SOCKET, "WSASocketW");
    return made;
}

/* Whether the operation has succeeded. */
static bool has_succeeded(SOCKET socket, struct io *io)
{
    DWORD bytes, flags;
    return WSAGetOverlappedResult(socket, &io->overlapped, &bytes, TRUE, &flags);
}

static void set_context(SOCKET accepted, SOCKET listener)
{
    must(setsockopt(accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (const char *)&listener,
                    sizeof listener) == 0,
         "SO_UPDATE_ACCEPT_CONTEXT");
}

enum { ADDRESS_LENGTH = sizeof(struct sockaddr_in) + 16 };

/* `here` comes from AcceptEx; it has the listener's context only if that is asked for. */
static struct pair accept_pair(bool with_context)
{
    struct pair pair = {new_socket(), new_socket(), NULL};
    SOCKET listener = listening_socket();
    struct sockaddr_in address = address_of(listener);
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);
    char addresses[2 * ADDRESS_LENGTH];
    bool accepted = false;

    connect(pair.there, (struct sockaddr *)&address, sizeof address);
    for (int i = 0; i < 20 && !accepted; i++) { /* it may fail because a client has gone again */
        if (AcceptEx(listener, pair.here, addresses, 0, ADDRESS_LENGTH, ADDRESS_LENGTH, NULL,
                     &io->overlapped) ||
            WSAGetLastError() == WSA_IO_PENDING)
            accepted = has_succeeded(listener, io);
    }
    must(accepted, "AcceptEx");
    if (with_context)
        set_context(pair.here, listener);
    closesocket(listener);
    WSACloseEvent(event);
    free(io);
    return pair;
}

static void short_address(bool breaks)
{
    SOCKET listener = listening_socket(), accepted = new_socket();
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);
    DWORD size = breaks ? ADDRESS_LENGTH - 16 : ADDRESS_LENGTH, bytes;
    char addresses[2 * ADDRESS_LENGTH];

    AcceptEx(listener, accepted, addresses, 0, size, size, &bytes, &io->overlapped); /* RULE */
    bool is_pending = WSAGetLastError() == WSA_IO_PENDING;
    closesocket(listener);
    if (is_pending)
        wait_for(event);
    closesocket(accepted);
    WSACloseEvent(event);
    free(io);
}

static void shutdown_without_context(bool breaks)
{
    struct pair pair = accept_pair(!breaks);
    shutdown(pair.here, SD_SEND); /* RULE */
    hang_up(pair);
}

static void getpeername_without_context(bool breaks)
{
    struct pair pair = accept_pair(!breaks);
    struct sockaddr_in address;
    int length = sizeof address;
    getpeername(pair.here, (struct sockaddr *)&address, &length); /* RULE */
    hang_up(pair);
}

static void getsockname_without_context(bool breaks)
{
    struct pair pair = accept_pair(!breaks);
    struct sockaddr_in address;
    int length = sizeof address;
    getsockname(pair.here, (struct sockaddr *)&address, &length); /* RULE */
    hang_up(pair);
}

static void setsockopt_without_context(bool breaks)
{
    struct pair pair = accept_pair(!breaks);
    BOOL yes = TRUE;
    setsockopt(pair.here, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes, sizeof yes); /* RULE */
    hang_up(pair);
}

static void getsockopt_without_context(bool breaks)
{
    struct pair pair = accept_pair(!breaks);
    int size, length = sizeof size;
    getsockopt(pair.here, SOL_SOCKET, SO_RCVBUF, (char *)&size, &length); /* RULE */
    hang_up(pair);
}

static void find_function(SOCKET socket, GUID guid, void *function, DWORD size)
{
    DWORD bytes;
    must(WSAIoctl(socket, SIO_GET_EXTENSION_FUNCTION_POINTER, &guid, sizeof guid, function, size,
                  &bytes, NULL, NULL) == 0,
         "WSAIoctl");
}

/* Its place is not known, because it is called through a pointer: the call before it is named. */
static void connect_without_bind(bool breaks)
{
    SOCKET listener = listening_socket(), client = breaks ? new_socket() : bound_socket(true);
    struct sockaddr_in address = address_of(listener);
    LPFN_CONNECTEX connect_ex;
    GUID guid = WSAID_CONNECTEX;

    find_function(client, guid, &connect_ex, sizeof connect_ex);
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);
    SetEvent(event); /* RULE */
    if (connect_ex(client, (struct sockaddr *)&address, sizeof address, NULL, 0, NULL,
                   &io->overlapped) ||
        WSAGetLastError() == WSA_IO_PENDING)
        wait_for(event);
    closesocket(client);
    closesocket(listener);
    WSACloseEvent(event);
    free(io);
}

static void connect_without_context(bool breaks)
{
    SOCKET listener = listening_socket(), client = bound_socket(true);
    struct sockaddr_in address = address_of(listener);
    WSAEVENT event = WSACreateEvent();
    struct io *io = new_io(event);
    LPFN_CONNECTEX connect_ex;
    GUID guid = WSAID_CONNECTEX;

    find_function(client, guid, &connect_ex, sizeof connect_ex);
    connect_ex(client, (struct sockaddr *)&address, sizeof address, NULL, 0, NULL, &io->overlapped);
    must(has_succeeded(client, io), "ConnectEx");
    if (!breaks)
        setsockopt(client, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0);
    shutdown(client, SD_SEND); /* RULE */
    closesocket(client);
    closesocket(listener);
    WSACloseEvent(event);
    free(io);
}

/* ---- 30: SO_EXCLUSIVEADDRUSE --------------------------------------------------------------- */

static void not_exclusive(bool breaks)
{
    SOCKET listener = bound_socket(!breaks);
    listen(listener, SOMAXCONN); /* RULE */
    closesocket(listener);
}

static void exclusive_too_late(bool breaks)
{
    SOCKET made = breaks ? bound_socket(true) : new_socket();
    BOOL yes = TRUE;
    const char *value = (const char *)&yes;

    setsockopt(made, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, value, sizeof yes); /* RULE */
    closesocket(made);
}

/* ---- 31 and 32: closed --------------------------------------------------------------------- */

static void used_after_close(bool breaks)
{
    struct pair pair = connect_pair();

    if (breaks)
        closesocket(pair.here);
    shutdown(pair.here, SD_SEND); /* RULE */
    if (!breaks)
        closesocket(pair.here);
    closesocket(pair.there);
}

static void closed_twice(bool breaks)
{
    struct pair pair = connect_pair();

    closesocket(pair.here);
    closesocket(breaks ? pair.here : pair.there); /* RULE */
    if (breaks)
        closesocket(pair.there);
}

static void event_used_after_close(bool breaks)
{
    WSAEVENT event = WSACreateEvent();

    if (breaks)
        WSACloseEvent(event);
    WSASetEvent(event); /* RULE */
    if (!breaks)
        WSACloseEvent(event);
}

static void event_closed_twice(bool breaks)
{
    WSAEVENT event = WSACreateEvent(), other = WSACreateEvent();

    WSACloseEvent(event);
    WSACloseEvent(breaks ? event : other); /* RULE */
    if (breaks)
        WSACloseEvent(other);
}

static void closed_as_handle(bool breaks)
{
    SOCKET made = new_socket();

    if (breaks)
        CloseHandle((HANDLE)made); /* RULE */
    else
        closesocket(made);
}

static void closed_beside_call(bool breaks)
{
    struct pair pair = connect_pair();
    HANDLE thread = begin_thread(receive_byte, (void *)pair.here);

    if (!breaks) {
        shutdown(pair.there, SD_SEND);
        wait_for(thread);
    }
    closesocket(pair.here); /* RULE */
    closesocket(pair.there);
    end_thread(thread);
}

/* ---- 33: what is left ---------------------------------------------------------------------- */

static void socket_left_open(bool breaks)
{
    SOCKET made = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED); /* RULE */
    if (!breaks)
        closesocket(made);
}

static void event_left_open(bool breaks)
{
    WSAEVENT event = WSACreateEvent(); /* RULE */
    if (!breaks)
        WSACloseEvent(event);
}

static void port_left_open(bool breaks)
{
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0); /* RULE */
    OVERLAPPED *overlapped;
    ULONG_PTR key;
    DWORD bytes;

    /* The verifier must not change what a failed call leaves behind. */
    must(!GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, 0) &&
             GetLastError() == WAIT_TIMEOUT,
         "a port without packets");
    if (!breaks)
        CloseHandle(port);
}

static void operation_left(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    begun(WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL)); /* RULE */
    if (breaks) {
        WSACleanup();
        start_winsock(); /* so that the rest is in order */
    }
    closesocket(pair.there);
    closesocket(pair.here);
    take_packet(pair.port);
    CloseHandle(pair.port);
    free(io);
}

static void packet_left(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    begun(WSASend(pair.here, &io->buffer, 1, NULL, 0, &io->overlapped, NULL)); /* RULE */
    while (!HasOverlappedIoCompleted(&io->overlapped))
        Sleep(1);
    if (!breaks)
        take_packet(pair.port);
    hang_up(pair);
    if (!breaks)
        free(io);
}

static void result_never_asked(bool breaks)
{
    struct pair pair = connect_pair();
    WSAEVENT event = CreateEventW(NULL, TRUE, FALSE, NULL);
    struct io *io = new_io(event);

    begun(WSARecv(pair.here, &io->buffer, 1, NULL, &io->flags, &io->overlapped, NULL)); /* RULE */
    send(pair.there, "x", 1, 0);
    Sleep(AWHILE);
    if (!breaks)
        wait_for(event);
    hang_up(pair);
    WSACleanup();
    start_winsock();
    wait_for(event);
    WSACloseEvent(event);
    free(io);
}

/* ---- 34: WSAStartup and WSACleanup. main leaves both to these cases ------------------------- */

static void no_startup(bool breaks)
{
    if (!breaks)
        start_winsock();
    SOCKET made = socket(AF_INET, SOCK_STREAM, 0); /* RULE */
    must((made == INVALID_SOCKET) == breaks, "socket");
    if (breaks)
        return;
    closesocket(made);
    WSACleanup();
}

static void closed_after_cleanup(bool breaks)
{
    start_winsock();
    SOCKET made = new_socket();
    if (breaks)
        WSACleanup();
    closesocket(made); /* RULE */
    if (!breaks)
        WSACleanup();
}

static void extension_after_cleanup(bool breaks)
{
    start_winsock();
    SOCKET listener = listening_socket(), accepted = new_socket();
    struct io *io = new_io(NULL);
    DWORD size = ADDRESS_LENGTH, bytes;
    char addresses[2 * ADDRESS_LENGTH];

    if (breaks)
        WSACleanup();
    AcceptEx(listener, accepted, addresses, 0, size, size, &bytes, &io->overlapped); /* RULE */
    if (breaks)
        start_winsock();
    closesocket(listener);
    closesocket(accepted);
    while (!HasOverlappedIoCompleted(&io->overlapped))
        Sleep(1);
    free(io);
    WSACleanup();
}

static void too_many_cleanups(bool breaks)
{
    start_winsock();
    if (!breaks)
        start_winsock(); /* it may be called again: the calls are counted */
    WSACleanup();
    WSACleanup(); /* RULE */
}

static void no_cleanup(bool breaks)
{
    WSADATA data;
    must(WSAStartup(MAKEWORD(2, 2), &data) == 0, "WSAStartup"); /* RULE */
    if (!breaks)
        WSACleanup();
}

/* ---- 35: lengths --------------------------------------------------------------------------- */

static void negative_length(bool breaks)
{
    struct pair pair = connect_pair();
    int received = breaks ? SOCKET_ERROR : 1; /* of a recv whose result was not looked at */

    send(pair.here, "x", received, 0); /* RULE */
    hang_up(pair);
}

static void negative_buffer(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    io->buffer.len = breaks ? (ULONG)SOCKET_ERROR : 1;
    int result = WSASend(pair.here, &io->buffer, 1, NULL, 0, &io->overlapped, NULL); /* RULE */
    if (result == 0 || WSAGetLastError() == WSA_IO_PENDING)
        take_packet(pair.port);
    hang_up(pair);
    free(io);
}

/* ---- 36: memory. The first two crash; the call before the crash is named -------------------- */

static char *new_bytes(void)
{
    char *bytes = calloc(1, LENGTH);
    must(bytes != NULL, "calloc");
    return bytes;
}

static void used_after_free(bool breaks)
{
    char *volatile bytes = new_bytes();
    char *volatile used = breaks ? bytes : new_bytes();
    free(bytes); /* RULE */
    used[0] = 'x';
    free(used);
}

static void written_behind_end(bool breaks)
{
    char *bytes = new_bytes();
    SleepEx(0, FALSE); /* RULE */
    bytes[breaks ? LENGTH : LENGTH - 1] = 'x';
    free(bytes);
}

static void written_just_behind(bool breaks)
{
    const char *text = "hello";
    char *copy = malloc(breaks ? strlen(text) : strlen(text) + 1);

    memcpy(copy, text, strlen(text) + 1);
    free(copy); /* RULE */
}

static void freed_twice(bool breaks)
{
    char *volatile bytes = new_bytes();
    char *volatile others = new_bytes();

    free(bytes);
    free(breaks ? bytes : others); /* RULE */
    if (breaks)
        free(others);
}

static void freed_inside(bool breaks)
{
    char *volatile bytes = new_bytes();
    char *volatile inside = breaks ? bytes + 1 : bytes;

    free(inside); /* RULE */
    if (breaks)
        free(bytes);
}

static void moved_after_free(bool breaks)
{
    char *volatile bytes = new_bytes();

    if (breaks)
        free(bytes);
    char *moved = realloc(bytes, LENGTH + 1); /* RULE */
    free(moved);
}

static void received_after_free(bool breaks)
{
    struct pair pair = connect_pair();
    char *volatile bytes = new_bytes();
    char *volatile others = new_bytes();

    free(bytes);
    send(pair.there, "x", 1, 0);
    recv(pair.here, breaks ? bytes : others, 1, 0); /* RULE */
    free(others);
    hang_up(pair);
}

static void received_behind_end(bool breaks)
{
    struct pair pair = connect_at_port();
    struct io *io = new_io(NULL);

    send(pair.there, "x", 1, 0);
    io->buffer.len = breaks ? 4096 : LENGTH;
    WSABUF *to = &io->buffer;
    int result = WSARecv(pair.here, to, 1, NULL, &io->flags, &io->overlapped, NULL); /* RULE */
    if (result == 0 || WSAGetLastError() == WSA_IO_PENDING)
        take_packet(pair.port);
    hang_up(pair);
    free(io);
}

/* ---- 37 and 38: a thread, a socket --------------------------------------------------------- */

static void terminated_in_call(bool breaks)
{
    struct pair pair = connect_pair();
    HANDLE thread = begin_thread(receive_byte, (void *)pair.here);

    if (!breaks) {
        shutdown(pair.there, SD_SEND);
        wait_for(thread);
    }
    TerminateThread(thread, 0); /* RULE */
    end_thread(thread);
    hang_up(pair);
}

static void terminated_in_wait(bool breaks)
{
    WSAEVENT event = WSACreateEvent();
    HANDLE thread = begin_thread(wait_for_event, event);

    if (!breaks) {
        WSASetEvent(event);
        wait_for(thread);
    }
    TerminateThread(thread, 0); /* RULE */
    end_thread(thread);
    WSACloseEvent(event);
}

static DWORD WINAPI serve(void *port)
{
    OVERLAPPED *overlapped;
    ULONG_PTR key;
    DWORD bytes;
    GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, AT_MOST);
    return 0;
}

static void terminated_worker(bool breaks)
{
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    HANDLE thread = begin_thread(serve, port);

    if (!breaks) {
        PostQueuedCompletionStatus(port, 0, 0, NULL);
        wait_for(thread);
    }
    TerminateThread(thread, 0); /* RULE */
    end_thread(thread);
    CloseHandle(port);
}

static void invalid_socket(bool breaks)
{
    SOCKET made = breaks ? INVALID_SOCKET : new_socket();
    u_long yes = 1;

    ioctlsocket(made, (long)FIONBIO, &yes); /* RULE */
    if (!breaks)
        closesocket(made);
}

static void unknown_socket(bool breaks)
{
    SOCKET made = new_socket();
    u_long yes = 1;

    ioctlsocket(breaks ? made + 4000 : made, (long)FIONBIO, &yes); /* RULE */
    closesocket(made);
}

/* ---- the table ----------------------------------------------------------------------------- */

enum { RULE_OF_STARTUP = 34, BITS = 8 * sizeof(void *) };

static const struct {
    void (*play)(bool breaks);
    const char *name;
    int rule;
    const char *call, *text;
} cases[] = {
#define CASE(name) name, #name
    {CASE(no_handle), 7, "WSAWaitForMultipleEvents", "waits for no handle at all"},
    {CASE(too_many_handles), 7, "WSAWaitForMultipleEvents", "waits for more than 64 handles"},
    {CASE(event_closed_in_wait), 7, "WSACloseEvent",
     "closes an event that another thread is waiting for in"},
    {CASE(result_of_failure), 9, "WSAGetOverlappedResult",
     "asks for the result of an operation that failed immediately in"},
    {CASE(overlapped_again), 10, "WSASend",
     "begins with the OVERLAPPED of an operation in progress, begun by"},
    {CASE(buffer_again), 10, "WSASend",
     "is given the buffer of an operation in progress, begun by"},
    {CASE(overlapped_freed), 10, "free",
     "frees the OVERLAPPED of an operation in progress, begun by"},
    {CASE(buffer_freed), 10, "free", "frees the buffer of an operation in progress, begun by"},
    {CASE(buffer_moved), 10, "realloc",
     "frees the OVERLAPPED of an operation in progress, begun by"},
    {CASE(overlapped_on_stack), 10, "WSARecv",
     "completes, but its OVERLAPPED has been overwritten meanwhile"},
    {CASE(overlapped_gone), 10, "WSARecv", "completes, but the memory of its OVERLAPPED is gone"},
    {CASE(buffer_gone), 10, "WSARecv", "completes, but the memory of its buffer is gone"},
    {CASE(bytes_changed), 10, "WSASend",
     "completes, but the program has changed its bytes meanwhile"},
    {CASE(buffer_written), 10, "WSARecv",
     "completes, but the program has written into its buffer meanwhile"},
    {CASE(event_closed_in_progress), 10, "WSACloseEvent",
     "closes the event of an operation in progress, begun by"},
    {CASE(buffer_read_early), 0, "", ""},
    {CASE(no_flags), 11, "WSARecv", "is given NULL for its flags, which are needed"},
    {CASE(byte_count), 11, "WSASend",
     "is overlapped, yet asks for a byte count: pass NULL; the completion reports it"},
    {CASE(result_without_event), 12, "WSAGetOverlappedResult",
     "is asked to wait, but the OVERLAPPED has no event; the operation was begun by"},
    {CASE(result_without_flags), 12, "WSAGetOverlappedResult",
     "is given NULL for its flags: on Windows the program crashes"},
    {CASE(one_event_for_two), 13, "WSASend",
     "begins with the event of an operation in progress, begun by"},
    {CASE(not_overlapped), 14, "WSARecv",
     "is overlapped, but its socket was made without WSA_FLAG_OVERLAPPED by"},
    {CASE(thread_ends), 15, "WSARecv",
     "is still in progress when the thread that began it ends, which cancels it"},
    {CASE(thread_exits), 15, "WSARecv",
     "is still in progress when the thread that began it ends, which cancels it"},
    {CASE(thread_terminated), 15, "WSARecv",
     "completes, but the thread that began it has ended: its routine never runs"},
    {CASE(routine_and_port), 17, "WSARecv", "has a routine, but its socket belongs to a port"},
    {CASE(never_alertable), 18, "WSASend",
     "has completed, but its routine cannot run: the thread has not begun an alertable wait since"},
    {CASE(routine_never_ran), 18, "WSARecv", "has completed, but its routine never ran"},
    {CASE(length_not_set_again), 21, "WSARecv",
     "asks only for as many bytes as the last receive gave: was WSABUF.len set again?"},
    {CASE(routine_blocks), 22, "recv",
     "may block inside a routine: no other routine runs meanwhile"},
    {CASE(key_cut), 26, "CreateIoCompletionPort",
     "is given half of an address as its key: was the pointer cast to DWORD?"},
    {CASE(two_threads_receive), 27, "recv", "begins while another thread is using this socket in"},
    {CASE(two_threads_begin), 27, "WSARecv",
     "begins while another thread's is in progress on this socket, begun by"},
    {CASE(short_address), 28, "AcceptEx",
     "is given too short a length: an address takes 16 bytes more than its own size"},
    {CASE(shutdown_without_context), 28, "shutdown",
     "comes before SO_UPDATE_ACCEPT_CONTEXT; the socket was made by"},
    {CASE(getpeername_without_context), 28, "getpeername",
     "comes before SO_UPDATE_ACCEPT_CONTEXT; the socket was made by"},
    {CASE(getsockname_without_context), 28, "getsockname",
     "comes before SO_UPDATE_ACCEPT_CONTEXT; the socket was made by"},
    {CASE(setsockopt_without_context), 28, "setsockopt",
     "comes before SO_UPDATE_ACCEPT_CONTEXT; the socket was made by"},
    {CASE(getsockopt_without_context), 28, "getsockopt",
     "comes before SO_UPDATE_ACCEPT_CONTEXT; the socket was made by"},
    {CASE(connect_without_bind), 28, "ConnectEx",
     "needs a bound socket: bind was not called for it"},
    {CASE(connect_without_context), 28, "shutdown",
     "comes before SO_UPDATE_CONNECT_CONTEXT; the socket was made by"},
    {CASE(not_exclusive), 30, "listen",
     "listens on a port that others may take: SO_EXCLUSIVEADDRUSE was not set before bind"},
    {CASE(exclusive_too_late), 30, "setsockopt",
     "sets SO_EXCLUSIVEADDRUSE after bind, which is too late"},
    {CASE(used_after_close), 31, "shutdown", "uses a socket that was closed by"},
    {CASE(closed_twice), 31, "closesocket", "closes a socket that was already closed by"},
    {CASE(event_used_after_close), 31, "WSASetEvent", "uses an event that was closed by"},
    {CASE(event_closed_twice), 31, "WSACloseEvent", "closes an event that was already closed by"},
    {CASE(closed_as_handle), 31, "CloseHandle",
     "closes a socket, which needs closesocket; it was made by"},
    {CASE(closed_beside_call), 32, "closesocket",
     "closes a socket while another thread is using it in"},
    {CASE(socket_left_open), 33, "WSASocket", "made a socket that is never closed"},
    {CASE(event_left_open), 33, "WSACreateEvent", "made an event or a port that is never closed"},
    {CASE(port_left_open), 33, "CreateIoCompletionPort",
     "made an event or a port that is never closed"},
    {CASE(operation_left), 33, "WSARecv", "is still in progress at the end"},
    {CASE(packet_left), 33, "WSASend", "has completed, but its packet was never taken"},
    {CASE(result_never_asked), 33, "WSARecv",
     "has completed, but the program never asked for its result"},
    {CASE(no_startup), 34, "socket", "comes before WSAStartup"},
    {CASE(closed_after_cleanup), 34, "closesocket", "comes after the last"},
    {CASE(extension_after_cleanup), 34, "AcceptEx", "comes after the last"},
    {CASE(too_many_cleanups), 34, "WSACleanup", "is called more often than WSAStartup"},
    {CASE(no_cleanup), 34, "WSAStartup", "was never followed by WSACleanup"},
    {CASE(negative_length), 35, "send",
     "is given a negative length: was the result of the previous call checked?"},
    {CASE(negative_buffer), 35, "WSASend", "is given a negative length in a WSABUF"},
    {CASE(used_after_free), 36, "memory", "is used after it was freed by"},
    {CASE(written_behind_end), 36, "memory", "is used beyond the end of the block from"},
    {CASE(written_just_behind), 36, "free", "finds bytes written beyond the end of the block from"},
    {CASE(freed_twice), 36, "free", "frees memory that was already freed by"},
    {CASE(freed_inside), 36, "free", "is given an address inside the block from"},
    {CASE(moved_after_free), 36, "realloc", "is given memory that was freed by"},
    {CASE(received_after_free), 36, "recv", "is given memory that was freed by"},
    {CASE(received_behind_end), 36, "WSARecv",
     "is given a length that goes beyond the end of the block from"},
    {CASE(terminated_in_call), 37, "TerminateThread", "ends a thread that is inside"},
    {CASE(terminated_in_wait), 37, "TerminateThread", "ends a thread that is inside"},
    {CASE(terminated_worker), 37, "TerminateThread", "ends a thread that is inside"},
    {CASE(invalid_socket), 38, "ioctlsocket",
     "is given INVALID_SOCKET: was the result of the call that makes the socket checked?"},
    {CASE(unknown_socket), 38, "ioctlsocket", "is given a number that is not a socket"},
};

enum { CASES = sizeof cases / sizeof cases[0] };

/* A crash ends the program without a debugger. */
static LONG CALLBACK crash(EXCEPTION_POINTERS *exception)
{
    (void)exception;
    return EXCEPTION_EXECUTE_HANDLER;
}

static void list(void)
{
    for (int i = 0; i < CASES; i++) {
        if (cases[i].rule != 26 || BITS == 64) /* where an address is no longer than a DWORD */
            printf("%s\t%d\t%s\t%s\n", cases[i].name, cases[i].rule, cases[i].call, cases[i].text);
    }
}

static void play(int i, bool breaks)
{
    routine_ran = false;
    if (cases[i].rule != RULE_OF_STARTUP)
        start_winsock();
    cases[i].play(breaks);
    if (cases[i].rule != RULE_OF_STARTUP)
        WSACleanup();
}

int main(int argc, char **argv)
{
    bool plays = argc == 3 && (strcmp(argv[2], "breaks") == 0 || strcmp(argv[2], "keeps") == 0);
    bool all = plays && strcmp(argv[1], "all") == 0;
    int played = 0;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    SetUnhandledExceptionFilter(crash);
    for (int i = 0; i < CASES && plays; i++) {
        if (!all && strcmp(argv[1], cases[i].name) != 0)
            continue;
        play(i, strcmp(argv[2], "breaks") == 0);
        played++;
    }
    if (played == 0)
        fprintf(stderr, "usage: rules.exe --list | NAME breaks | NAME|all keeps\n");
    return played == 0 ? 2 : 0;
}
