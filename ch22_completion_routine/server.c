/*
 * Chapter 22: overlapped I/O with completion routines - the echo server.
 *
 * The program lends the system a buffer with WSARecv or WSASend, which return immediately. The
 * system transfers the bytes, and *calls a function* of the program when that is done.
 *
 *   cl  /std:c11 server.c ..\common\*.c
 *   gcc -std=c11 server.c ..\common\*.c -o server.exe -lws2_32
 *
 * Left simple on purpose: one thread; when memory runs out, the server ends; and a shutdown drops
 * what is still on its way.
 */
#include "../common/common.h"

#include <stdlib.h>

enum {
    BUFFER_SIZE = 128 * 1024, /* an experiment: make it 5 and count the WSARecv calls */

    /* The wait takes two events, however many clients there are: they need none. */
    STOP = 0,
    LISTENER = 1,
    EVENT_COUNT = 2
};

enum state { RECEIVING, SENDING, CLOSING };

/* For each client the server receives, sends all of it back, and receives again. It reads nothing
 * new until everything is echoed, so a client that never reads costs exactly one buffer.
 * While the operation is in progress, overlapped and buffer belong to the system. */
struct client {
    SOCKET socket;
    int number;
    enum state state;
    WSAOVERLAPPED overlapped; /* of the one operation in progress */
    int received;             /* bytes in buffer */
    int sent;                 /* how many of them have been sent back */
    struct client *next;      /* in the list clients */
    struct client *previous;
    struct client *next_echoed; /* in the list echoed */
    char buffer[BUFFER_SIZE];
};

static SOCKET listener;
static bool accepting;

static WSAEVENT events[EVENT_COUNT];
static struct client *clients; /* all of them */
static struct client *echoed;  /* those that have everything back: their next receive is due */
static bool stopping;

static int clients_served;
static long long bytes_echoed;
static int operations_pending;

static void start_accepting(void);
static void serve_until_stopped(void);
static void accept_client(void);
static void serve_client(struct client *client);
static void receive_again(void);
static void receive(struct client *client);
static void CALLBACK receive_completed(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped,
                                       DWORD flags);
static void send_rest(struct client *client);
static void CALLBACK send_completed(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped,
                                    DWORD flags);
static bool operation_result(struct client *client, DWORD error, DWORD bytes);
static void check_outcome(struct client *client, const char *call, int result);
static void stop_accepting(const char *reason);
static void stop_serving(void);
static void request_stop(void);
static WSAEVENT create_event(void);
static WSAOVERLAPPED *fresh_overlapped(struct client *client);
static void add_client(struct client *client);
static void remove_client(struct client *client);
static void close_client(struct client *client);

int main(int argc, char **argv)
{
    struct arguments arguments = read_server_arguments(argc, argv);
    start_narration(arguments.quiet, stdout);
    start_winsock();

    /* Step 4: an event for the listener. Step 8: an event for the shutdown. */
    events[STOP] = create_event();
    events[LISTENER] = create_event();
    call_on_ctrl_c(request_stop);

    /* Step 1: a listening socket. Accepted sockets are overlapped because it is. */
    struct addrinfo *address = find_addresses(arguments.host, arguments.port);
    listener =
        WSASocketW(address->ai_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (listener == INVALID_SOCKET)
        fail(WSAGetLastError(), "WSASocket");
    listen_at(listener, address);
    freeaddrinfo(address);
    narrate(0, "listen", "%d events a wait: stop, listener", EVENT_COUNT);

    start_accepting();
    serve_until_stopped();
    stop_serving();

    stop_winsock();
    return 0;
}

/* Step 4: new clients are announced as in chapter 21. */
static void start_accepting(void)
{
    if (WSAEventSelect(listener, events[LISTENER], FD_ACCEPT) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of the listener");
    accepting = true;
    narrate(0, "WSAEventSelect", "listener: FD_ACCEPT");
    /* Not the first time: FD_ACCEPT may not come again for a client that waits, so try accept. */
    if (clients_served > 0)
        WSASetEvent(events[LISTENER]);
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
            receive_again();
            continue;
        }
        place -= WSA_WAIT_EVENT_0;
        narrate(0, "WSAWaitForMultipleEvents", "event %lu is signalled", place);

        if (place == STOP)
            return;
        WSANETWORKEVENTS happened;
        if (WSAEnumNetworkEvents(listener, events[LISTENER], &happened) == SOCKET_ERROR)
            fail(WSAGetLastError(), "WSAEnumNetworkEvents of the listener");
        accept_client();
        /* A wait checks its events before it calls routines. So the routines that are due run here:
         * otherwise a storm of connects could keep the clients waiting. */
        SleepEx(0, TRUE);
        receive_again();
    }
}

/* Step 4: FD_ACCEPT means that a client is waiting. It comes again after accept if more are
 * waiting. */
static void accept_client(void)
{
    SOCKET accepted = accept(listener, NULL, NULL);
    if (accepted == INVALID_SOCKET) {
        int error = WSAGetLastError();
        if (error == WSAEWOULDBLOCK)
            return; /* no client is waiting */
        narrate_failure(0, "accept", error);
        if (error == WSAEMFILE || error == WSAENOBUFS) {
            if (clients == NULL)
                fail(error, "accept");
            stop_accepting("until a client leaves");
        }
        return; /* any other error: that client has already gone */
    }

    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a client");
    client->socket = accepted;
    client->number = ++clients_served;
    client->state = RECEIVING;
    narrate(client->number, "accept", "a new client");
    add_client(client);

    /* The new socket has inherited the listener's event, and does not need it. */
    if (WSAEventSelect(accepted, NULL, 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of client %d", client->number);
    receive(client);
    if (client->state == CLOSING)
        close_client(client);
}

/* Step 6: continues with a client whose operation has completed. */
static void serve_client(struct client *client)
{
    if (client->state == RECEIVING) {
        client->next_echoed = echoed;
        echoed = client;
    } else if (client->state == CLOSING) {
        close_client(client);
        if (!accepting && !stopping)
            start_accepting();
    }
}

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

/* Step 1: the receive begins before there is anything to receive. */
static void receive(struct client *client)
{
    WSABUF space = {BUFFER_SIZE, client->buffer}; /* the whole buffer, each time */
    DWORD flags = 0;
    int result = WSARecv(client->socket, &space, 1, NULL, &flags, fresh_overlapped(client),
                         receive_completed);
    check_outcome(client, "WSARecv", result);
}

/* Step 1: the system calls this when a receive has completed, but only while this thread waits
 * alertably. Step 3: the OVERLAPPED is a member of a client, so its address leads to the client. */
static void CALLBACK receive_completed(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped,
                                       DWORD flags)
{
    struct client *client = CONTAINING_RECORD(overlapped, struct client, overlapped);
    (void)flags;

    if (operation_result(client, error, bytes)) {
        /* TODO FAREWELL: a client that has sent all it wanted can still receive. */
        if (bytes == 0) { /* the client has sent all it wanted, and all of it is echoed */
            shutdown(client->socket, SD_SEND);
            client->state = CLOSING;
        } else {
            client->received = (int)bytes;
            client->sent = 0;
            send_rest(client);
        }
    }
    serve_client(client);
}

/* Step 2: one send; its routine begins the next if it was short. */
static void send_rest(struct client *client)
{
    WSABUF rest = {(ULONG)(client->received - client->sent), client->buffer + client->sent};
    client->state = SENDING;
    int result =
        WSASend(client->socket, &rest, 1, NULL, 0, fresh_overlapped(client), send_completed);
    check_outcome(client, "WSASend", result);
}

/* Step 2: when all of it is sent back, the next receive is due. */
static void CALLBACK send_completed(DWORD error, DWORD bytes, WSAOVERLAPPED *overlapped,
                                    DWORD flags)
{
    struct client *client = CONTAINING_RECORD(overlapped, struct client, overlapped);
    (void)flags;

    client->sent += (int)bytes;
    bytes_echoed += bytes;
    if (operation_result(client, error, bytes)) {
        if (client->sent < client->received)
            send_rest(client);
        else
            client->state = RECEIVING;
    }
    serve_client(client);
}

/* Step 5: how did the operation end? The system passes that to the routine. Returns false if it
 * failed, or if no further operation may begin. With an error, bytes is 0 and means nothing. */
static bool operation_result(struct client *client, DWORD error, DWORD bytes)
{
    const char *routine = client->state == SENDING ? "send_completed" : "receive_completed";

    operations_pending--;
    if (error != 0)
        narrate_failure(client->number, routine, (int)error);
    else
        narrate(client->number, routine, "%lu bytes %s", bytes,
                client->state == SENDING ? "sent" : "received");
    if (error != 0 || stopping)
        client->state = CLOSING;
    return client->state != CLOSING;
}

/* Step 2: WSARecv and WSASend have three outcomes.
 *   0               completed immediately; the routine will be called even so
 *   WSA_IO_PENDING  in progress; the routine will be called
 *   another error   failed: nothing is in progress, and the routine will never be called */
static void check_outcome(struct client *client, const char *call, int result)
{
    int error = result == 0 ? 0 : WSAGetLastError();
    if (error != 0 && error != WSA_IO_PENDING) {
        narrate_failure(client->number, call, error);
        client->state = CLOSING;
        return;
    }
    operations_pending++;
    narrate(client->number, call, error == 0 ? "completed" : "pending (WSA_IO_PENDING)");
}

/* Step 6: new clients then wait in the listener's backlog until there is a place for them. */
static void stop_accepting(const char *reason)
{
    if (WSAEventSelect(listener, events[LISTENER], 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of the listener");
    WSAResetEvent(events[LISTENER]);
    accepting = false;
    narrate(0, "WSAEventSelect", "listener: nothing, %s", reason);
}

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

static WSAEVENT create_event(void)
{
    WSAEVENT event = WSACreateEvent(); /* manual-reset: signalled until it is reset */
    if (event == WSA_INVALID_EVENT)
        fail(WSAGetLastError(), "WSACreateEvent");
    return event;
}

/* Each operation begins with a fresh OVERLAPPED. It needs no event: the routine is called. */
static WSAOVERLAPPED *fresh_overlapped(struct client *client)
{
    /* TODO TIMER: every operation begins here. */
    memset(&client->overlapped, 0, sizeof client->overlapped);
    return &client->overlapped;
}

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

/* Only for a client without an operation in progress: with one, its memory is still in use. */
static void close_client(struct client *client)
{
    closesocket(client->socket);
    remove_client(client);
    narrate(client->number, "closesocket", "closed");
    free(client);
}
