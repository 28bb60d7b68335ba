/* All the steps of chapter 22's server with completion routines. tools/steps.c makes a step from
 * this file; the last one is ch22_completion_routine/server.c. The steps:
 *
 * Step 1: one client: a receive routine, and SleepEx
 * Step 2: a routine for the send as well: no routine blocks
 * Step 3: many clients: whose OVERLAPPED is it?
 * Step 4: no polling: new clients in the same alertable wait
 * Step 5: an end or an error affects only that client
 * Step 6: no socket left: stop accepting until a client leaves
 * Step 7: no client starves: the next receive after the wait
 * Step 8: an orderly shutdown: cancel, and let the routines run
 */
/*
 * Chapter 22: overlapped I/O with completion routines - the echo server.
#if STEP >= 7
 *
#endif
 * The program lends the system a buffer with WSARecv or WSASend, which return immediately. The
 * system transfers the bytes, and *calls a function* of the program when that is done.
#if STEP >= 7
 *
 *   cl  /std:c11 server.c ..\common\*.c
 *   gcc -std=c11 server.c ..\common\*.c -o server.exe -lws2_32
#endif
#if STEP >= 8
 *
 * Left simple on purpose: one thread; when memory runs out, the server ends; and a shutdown drops
 * what is still on its way.
#endif
 */
#include "../common/common.h"

#if STEP >= 3
#include <stdlib.h>

#endif
#if STEP == 3
enum { BUFFER_SIZE = 128 * 1024 };

#elif STEP >= 4
enum {
    BUFFER_SIZE = 128 * 1024, /* an experiment: make it 5 and count the WSARecv calls */

#if STEP < 8
    /* The wait takes one event, however many clients there are: they need none. */
    LISTENER = 0,
    EVENT_COUNT = 1
#else
    /* The wait takes two events, however many clients there are: they need none. */
    STOP = 0,
    LISTENER = 1,
    EVENT_COUNT = 2
#endif
};

#endif
#if STEP >= 5
enum state { RECEIVING, SENDING, CLOSING };

#endif
#if STEP >= 7
/* For each client the server receives, sends all of it back, and receives again. It reads nothing
 * new until everything is echoed, so a client that never reads costs exactly one buffer.
 * While the operation is in progress, overlapped and buffer belong to the system. */
#else
/* While the operation is in progress, overlapped and buffer belong to the system. */
#endif
#if STEP < 3
static struct client {
#else
struct client {
#endif
    SOCKET socket;
    int number;
#if STEP >= 5
    enum state state;
#endif
    WSAOVERLAPPED overlapped; /* of the one operation in progress */
#if STEP >= 2
    int received;             /* bytes in buffer */
    int sent;                 /* how many of them have been sent back */
#endif
#if STEP >= 6
    struct client *next;      /* in the list clients */
    struct client *previous;
#endif
#if STEP >= 7
    struct client *next_echoed; /* in the list echoed */
#endif
#if STEP < 3
    char buffer[128 * 1024];
} only_client = {.number = 1};
#else
    char buffer[BUFFER_SIZE];
};

#endif
static SOCKET listener;
#if STEP >= 6
static bool accepting;
#endif

#if STEP >= 4
static WSAEVENT events[EVENT_COUNT];
#endif
#if STEP >= 6
static struct client *clients; /* all of them */
#endif
#if STEP >= 7
static struct client *echoed;  /* those that have everything back: their next receive is due */
#endif
#if STEP >= 8
static bool stopping;
#endif
#if STEP >= 4

#endif
#if STEP >= 3
static int clients_served;
#if STEP >= 8
static long long bytes_echoed;
static int operations_pending;
#endif

#endif
#if STEP >= 4
static void start_accepting(void);
static void serve_until_stopped(void);
#endif
#if STEP >= 3
static void accept_client(void);
#endif
#if STEP >= 6
static void serve_client(struct client *client);
#endif
#if STEP >= 7
static void receive_again(void);
#endif
static void receive(struct client *client);
static void CALLBACK receive_completed(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped,
                                       DWORD flags);
#if STEP >= 2
static void send_rest(struct client *client);
static void CALLBACK send_completed(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped,
                                    DWORD flags);
#if STEP >= 5
static bool operation_result(struct client *client, DWORD error, DWORD bytes);
#endif
static void check_outcome(struct client *client, const char *call, int result);
#endif
#if STEP >= 6
static void stop_accepting(const char *reason);
#endif
#if STEP >= 8
static void stop_serving(void);
static void request_stop(void);
#endif
#if STEP >= 4
static WSAEVENT create_event(void);
#endif
#if STEP >= 2
static WSAOVERLAPPED *fresh_overlapped(struct client *client);
#endif
#if STEP >= 6
static void add_client(struct client *client);
static void remove_client(struct client *client);
#endif
#if STEP >= 3
static void close_client(struct client *client);
#endif

int main(int argc, char **argv)
{
    struct arguments arguments = read_server_arguments(argc, argv);
    start_narration(arguments.quiet, stdout);
    start_winsock();

#if STEP >= 8
    /* Step 4: an event for the listener. Step 8: an event for the shutdown. */
    events[STOP] = create_event();
    events[LISTENER] = create_event();
    call_on_ctrl_c(request_stop);

#elif STEP >= 4
    /* Step 4: an event for the listener. */
    events[LISTENER] = create_event();

#endif
    /* Step 1: a listening socket. Accepted sockets are overlapped because it is. */
    struct addrinfo *address = find_addresses(arguments.host, arguments.port);
    listener =
        WSASocketW(address->ai_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (listener == INVALID_SOCKET)
        fail(WSAGetLastError(), "WSASocket");
    listen_at(listener, address);
    freeaddrinfo(address);
#if STEP >= 8
    narrate(0, "listen", "%d events a wait: stop, listener", EVENT_COUNT);
#endif

#if STEP < 3
    only_client.socket = accept(listener, NULL, NULL); /* waits until a client connects */
    if (only_client.socket == INVALID_SOCKET)
        fail(WSAGetLastError(), "accept");
    narrate(1, "accept", "a new client");
    receive(&only_client);
    for (;;) {
        narrate(0, "SleepEx", "wait for a routine");
        SleepEx(INFINITE, TRUE);
        narrate(0, "SleepEx", "routines were called");
    }
#elif STEP == 3
    u_long yes = 1;
    if (ioctlsocket(listener, FIONBIO, &yes) == SOCKET_ERROR) /* so that accept does not wait */
        fail(WSAGetLastError(), "FIONBIO of the listener");
    for (;;) {
        accept_client();
        narrate(0, "SleepEx", "wait for a routine");
        if (SleepEx(100, TRUE) == WAIT_IO_COMPLETION)
            narrate(0, "SleepEx", "routines were called");
    }
#else
    start_accepting();
    serve_until_stopped();
#if STEP >= 8
    stop_serving();

    stop_winsock();
    return 0;
#endif
#endif
}

#if STEP >= 4
/* Step 4: new clients are announced as in chapter 21. */
static void start_accepting(void)
{
    if (WSAEventSelect(listener, events[LISTENER], FD_ACCEPT) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of the listener");
#if STEP >= 6
    accepting = true;
#endif
    narrate(0, "WSAEventSelect", "listener: FD_ACCEPT");
#if STEP >= 6
    /* Not the first time: FD_ACCEPT may not come again for a client that waits, so try accept. */
    if (clients_served > 0)
        WSASetEvent(events[LISTENER]);
#endif
}

/* Step 4: one thread waits for everything that can happen, alertably, so the routines run here. */
static void serve_until_stopped(void)
{
    for (;;) {
        narrate(0, "WSAWaitForMultipleEvents", "wait for a routine or one of %d events",
                EVENT_COUNT);
        DWORD place = WSAWaitForMultipleEvents(EVENT_COUNT, events, FALSE, WSA_INFINITE, TRUE);
        if (place == WSA_WAIT_FAILED)
            fail(WSAGetLastError(), "WSAWaitForMultipleEvents");
        if (place == WSA_WAIT_IO_COMPLETION) {
            narrate(0, "WSAWaitForMultipleEvents", "routines were called");
#if STEP >= 7
            receive_again();
#endif
            continue;
        }
        place -= WSA_WAIT_EVENT_0;
        narrate(0, "WSAWaitForMultipleEvents", "event %lu is signalled", place);

#if STEP >= 8
        if (place == STOP)
            return;
#endif
        WSANETWORKEVENTS happened;
        if (WSAEnumNetworkEvents(listener, events[LISTENER], &happened) == SOCKET_ERROR)
            fail(WSAGetLastError(), "WSAEnumNetworkEvents of the listener");
        accept_client();
#if STEP >= 7
        /* A wait checks its events before it calls routines. So the routines that are due run here:
         * otherwise a storm of connects could keep the clients waiting. */
        SleepEx(0, TRUE);
        receive_again();
#endif
    }
}

/* Step 4: FD_ACCEPT means that a client is waiting. It comes again after accept if more are
 * waiting. */
#elif STEP == 3
/* Step 3: each client gets its own socket, OVERLAPPED and buffer. */
#endif
#if STEP >= 3
static void accept_client(void)
{
    SOCKET accepted = accept(listener, NULL, NULL);
    if (accepted == INVALID_SOCKET) {
        int error = WSAGetLastError();
        if (error == WSAEWOULDBLOCK)
            return; /* no client is waiting */
#if STEP >= 6
        narrate_failure(0, "accept", error);
        if (error == WSAEMFILE || error == WSAENOBUFS) {
            if (clients == NULL)
                fail(error, "accept");
            stop_accepting("until a client leaves");
        }
        return; /* any other error: that client has already gone */
#else
        fail(error, "accept");
#endif
    }

    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a client");
    client->socket = accepted;
    client->number = ++clients_served;
#if STEP >= 5
    client->state = RECEIVING;
#endif
    narrate(client->number, "accept", "a new client");
#if STEP >= 6
    add_client(client);
#endif
#if STEP >= 4

    /* The new socket has inherited the listener's event, and does not need it. */
    if (WSAEventSelect(accepted, NULL, 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of client %d", client->number);
#endif
    receive(client);
#if STEP >= 5
    if (client->state == CLOSING)
        close_client(client);
#endif
}

#endif
#if STEP >= 6
/* Step 6: continues with a client whose operation has completed. */
static void serve_client(struct client *client)
{
#if STEP == 6
    if (client->state == RECEIVING)
        receive(client);
    if (client->state == CLOSING) {
        close_client(client);
        if (!accepting)
            start_accepting();
    }
#else
    if (client->state == RECEIVING) {
        client->next_echoed = echoed;
        echoed = client;
    } else if (client->state == CLOSING) {
        close_client(client);
#if STEP == 7
        if (!accepting)
#else
        if (!accepting && !stopping)
#endif
            start_accepting();
    }
#endif
}

#endif
#if STEP >= 7
/* Step 7: an alertable wait goes on until no routine is due any more. If the routines began the
 * receives, busy clients could keep one due forever, and no event would ever have its turn. So the
 * receives begin here, after the wait. */
static void receive_again(void)
{
    while (echoed != NULL) {
        struct client *client = echoed;
        echoed = client->next_echoed;
        receive(client);
        if (client->state == CLOSING)
            serve_client(client);
    }
}

#endif
/* Step 1: the receive begins before there is anything to receive. */
static void receive(struct client *client)
{
#if STEP < 3
    WSABUF space = {sizeof client->buffer, client->buffer}; /* the whole buffer, each time */
#else
    WSABUF space = {BUFFER_SIZE, client->buffer}; /* the whole buffer, each time */
#endif
    DWORD flags = 0;
#if STEP == 1
    memset(&client->overlapped, 0, sizeof client->overlapped);
    int result =
        WSARecv(client->socket, &space, 1, NULL, &flags, &client->overlapped, receive_completed);
    if (result == SOCKET_ERROR && WSAGetLastError() != WSA_IO_PENDING)
        fail(WSAGetLastError(), "WSARecv");
    narrate(client->number, "WSARecv", result == 0 ? "completed" : "pending (WSA_IO_PENDING)");
#else
    int result = WSARecv(client->socket, &space, 1, NULL, &flags, fresh_overlapped(client),
                         receive_completed);
    check_outcome(client, "WSARecv", result);
#endif
}

#if STEP < 3
/* Step 1: the system calls this, but only while this thread waits alertably. */
#else
/* Step 1: the system calls this when a receive has completed, but only while this thread waits
 * alertably. Step 3: the OVERLAPPED is a member of a client, so its address leads to the client. */
#endif
static void CALLBACK receive_completed(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped,
                                       DWORD flags)
{
#if STEP < 3
    struct client *client = &only_client;
    (void)overlapped;
#else
    struct client *client = CONTAINING_RECORD(overlapped, struct client, overlapped);
#endif
    (void)flags;

#if STEP < 5
    if (error != 0)
        fail((int)error, "receive");
    narrate(client->number, "receive_completed", "%lu bytes received", bytes);
    if (bytes == 0) { /* the client has sent all it wanted, and all of it is echoed */
#if STEP < 3
        closesocket(client->socket);
#else
        close_client(client);
#endif
        return;
    }
#if STEP == 1
    if (send(client->socket, client->buffer, (int)bytes, 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "send");
    narrate(client->number, "send", "%lu bytes sent", bytes);
    receive(client);
#else
    client->received = (int)bytes;
    client->sent = 0;
    send_rest(client);
#endif
#else
    if (operation_result(client, error, bytes)) {
#if STEP >= 8
        /* TODO FAREWELL: a client that has sent all it wanted can still receive. */
#endif
        if (bytes == 0) { /* the client has sent all it wanted, and all of it is echoed */
            shutdown(client->socket, SD_SEND);
            client->state = CLOSING;
        } else {
            client->received = (int)bytes;
            client->sent = 0;
            send_rest(client);
        }
    }
#if STEP == 5
    if (client->state == CLOSING)
        close_client(client);
#else
    serve_client(client);
#endif
#endif
}
#if STEP >= 2

/* Step 2: one send; its routine begins the next if it was short. */
static void send_rest(struct client *client)
{
    WSABUF rest = {(ULONG)(client->received - client->sent), client->buffer + client->sent};
#if STEP >= 5
    client->state = SENDING;
#endif
    int result =
        WSASend(client->socket, &rest, 1, NULL, 0, fresh_overlapped(client), send_completed);
    check_outcome(client, "WSASend", result);
}

/* Step 2: when all of it is sent back, the next receive is due. */
static void CALLBACK send_completed(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped,
                                    DWORD flags)
{
#if STEP == 2
    struct client *client = &only_client;
    (void)overlapped;
#else
    struct client *client = CONTAINING_RECORD(overlapped, struct client, overlapped);
#endif
    (void)flags;

#if STEP < 5
    if (error != 0)
        fail((int)error, "send");
    narrate(client->number, "send_completed", "%lu bytes sent", bytes);
    client->sent += (int)bytes;
    if (client->sent < client->received)
        send_rest(client);
    else
        receive(client);
#else
    client->sent += (int)bytes;
#if STEP >= 8
    bytes_echoed += bytes;
#endif
    if (operation_result(client, error, bytes)) {
        if (client->sent < client->received)
            send_rest(client);
        else
            client->state = RECEIVING;
    }
#if STEP == 5
    if (client->state == RECEIVING)
        receive(client);
    if (client->state == CLOSING)
        close_client(client);
#else
    serve_client(client);
#endif
#endif
}

#if STEP >= 8
/* Step 5: how did the operation end? The system passes that to the routine. Returns false if it
 * failed, or if no further operation may begin. With an error, bytes is 0 and means nothing. */
#elif STEP >= 5
/* Step 5: how did the operation end? The system passes that to the routine. Returns false if it
 * failed. With an error, bytes is 0 and means nothing. */
#endif
#if STEP >= 5
static bool operation_result(struct client *client, DWORD error, DWORD bytes)
{
    const char *routine = client->state == SENDING ? "send_completed" : "receive_completed";

#if STEP >= 8
    operations_pending--;
#endif
    if (error != 0)
        narrate_failure(client->number, routine, (int)error);
    else
        narrate(client->number, routine, "%lu bytes %s", bytes,
                client->state == SENDING ? "sent" : "received");
#if STEP >= 8
    if (error != 0 || stopping)
#else
    if (error != 0)
#endif
        client->state = CLOSING;
    return client->state != CLOSING;
}

#endif
/* Step 2: WSARecv and WSASend have three outcomes.
 *   0               completed immediately; the routine will be called even so
 *   WSA_IO_PENDING  in progress; the routine will be called
 *   another error   failed: nothing is in progress, and the routine will never be called */
static void check_outcome(struct client *client, const char *call, int result)
{
    int error = result == 0 ? 0 : WSAGetLastError();
#if STEP < 5
    if (error != 0 && error != WSA_IO_PENDING)
        fail(error, "%s", call);
#else
    if (error != 0 && error != WSA_IO_PENDING) {
        narrate_failure(client->number, call, error);
        client->state = CLOSING;
        return;
    }
#endif
#if STEP >= 8
    operations_pending++;
#endif
    narrate(client->number, call, error == 0 ? "completed" : "pending (WSA_IO_PENDING)");
}

#if STEP >= 6
/* Step 6: new clients then wait in the listener's backlog until there is a place for them. */
static void stop_accepting(const char *reason)
{
    if (WSAEventSelect(listener, events[LISTENER], 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of the listener");
    WSAResetEvent(events[LISTENER]);
    accepting = false;
    narrate(0, "WSAEventSelect", "listener: nothing, %s", reason);
}

#endif
#if STEP >= 8
/* Step 8: every client has an operation in progress, and its memory belongs to the system until
 * that has completed. So the operation is cancelled; its routine, called with
 * WSA_OPERATION_ABORTED, closes the client. */
static void stop_serving(void)
{
    stopping = true;
    narrate(0, "CancelIoEx", "%d operations in progress: cancelled (WSA_OPERATION_ABORTED)",
            operations_pending);
    pause_narration(); /* leave this out to see each of them end */
    closesocket(listener);
    for (struct client *client = clients; client != NULL; client = client->next) {
        if (!CancelIoEx((HANDLE)client->socket, &client->overlapped) &&
            GetLastError() != ERROR_NOT_FOUND) /* not found: it has completed already */
            fail((int)GetLastError(), "CancelIoEx of client %d", client->number);
    }
    while (clients != NULL)
        SleepEx(INFINITE, TRUE); /* returns when routines were called */
    resume_narration();
    narrate(0, "closesocket", "all clients are closed");
    WSACloseEvent(events[LISTENER]);
    /* events[STOP] is left for the system to close: request_stop may still be using it. */
    print_summary(clients_served, bytes_echoed, operations_pending);
}

/* Ctrl+C is one more event in the same wait. */
static void request_stop(void)
{
    WSASetEvent(events[STOP]);
}

#endif
#if STEP >= 4
static WSAEVENT create_event(void)
{
    WSAEVENT event = WSACreateEvent(); /* manual-reset: signalled until it is reset */
    if (event == WSA_INVALID_EVENT)
        fail(WSAGetLastError(), "WSACreateEvent");
    return event;
}

#endif
/* Each operation begins with a fresh OVERLAPPED. It needs no event: the routine is called. */
static WSAOVERLAPPED *fresh_overlapped(struct client *client)
{
#if STEP >= 8
    /* TODO TIMER: every operation begins here. */
#endif
    memset(&client->overlapped, 0, sizeof client->overlapped);
    return &client->overlapped;
}
#endif
#if STEP >= 6

static void add_client(struct client *client)
{
    client->next = clients;
    if (clients != NULL)
        clients->previous = client;
    clients = client;
}

static void remove_client(struct client *client)
{
    if (client->next != NULL)
        client->next->previous = client->previous;
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        clients = client->next;
}
#endif
#if STEP >= 3

/* Only for a client without an operation in progress: with one, its memory is still in use. */
static void close_client(struct client *client)
{
    closesocket(client->socket);
#if STEP >= 6
    remove_client(client);
#endif
    narrate(client->number, "closesocket", "closed");
    free(client);
}
#endif
