/*
 * All the steps of ch22_overlapped_event/server.c, for tools/steps.c. Step 8 is that file.
 *
 * Step 1: the calls of the lecture notes: serve one client, then exit
 * Step 2: the next client, and the rest of a send
 * Step 3: a failed operation affects only its own client
 * Step 4: the three outcomes of a call
 * Step 5: one place to wait, and no wait for a send that completes immediately
 * Step 6: a new client is one more event in the same wait
 * Step 7: many clients: an event and a buffer for each
 * Step 8: an orderly shutdown: cancel, wait, free
 */
/*
 * Chapter 22: overlapped I/O with events - the echo server.
#if STEP >= 2
 *
#endif
 * The program lends the system a buffer with WSARecv or WSASend, which return immediately. The
 * system transfers the bytes, and signals an event object when that is *done*.
#if STEP >= 4
 *
 *   cl  /std:c11 server.c ..\common\*.c
 *   gcc -std=c11 server.c ..\common\*.c -o server.exe -lws2_32
#if STEP >= 8
 *
 * Left simple on purpose: one thread, so one wait, so at most 64 events; when memory or event
 * objects run out, the server ends; and a shutdown drops what is still on its way.
#endif
#endif
 */
#include "../common/common.h"

#if STEP >= 7
#include <stdlib.h>

#endif
#if STEP < 5
enum { BUFFER_SIZE = 128 * 1024 };
#else
enum {
    BUFFER_SIZE = 128 * 1024, /* an experiment: make it 5 and count the WSARecv calls */
#if STEP >= 6

#if STEP < 8
    /* One wait takes at most 64 events: the listener's, and one for each client. */
    LISTENER = 0,
    FIRST_CLIENT = 1,
#else
    /* One wait takes at most 64 events: the stop event, the listener's, and one for each client. */
    STOP = 0,
    LISTENER = 1,
    FIRST_CLIENT = 2,
#endif
#if STEP == 6
    MAX_CLIENTS = 1
#else
    MAX_CLIENTS = WSA_MAXIMUM_WAIT_EVENTS - FIRST_CLIENT
#endif
#endif
};
#endif

#if STEP < 3
/* While the operation is in progress, overlapped and buffer belong to the system. */
#else
enum state { RECEIVING, SENDING, CLOSING };

#if STEP >= 4
/* How a call of WSARecv or WSASend turned out: see check_outcome. */
enum outcome { DONE, PENDING, FAILED };

#endif
/* For each client the server receives, sends all of it back, and receives again. It reads nothing
 * new until everything is echoed, so a client that never reads costs exactly one buffer.
 * While the operation is in progress, overlapped and buffer belong to the system. */
#endif
struct client {
    SOCKET socket;
    WSAEVENT event;
    int number;
#if STEP >= 3
    enum state state;
#endif
    WSAOVERLAPPED overlapped; /* of the one operation in progress */
#if STEP >= 2
    int received;             /* bytes in buffer */
    int sent;                 /* how many of them have been sent back */
#endif
    char buffer[BUFFER_SIZE];
};
#if STEP == 1
static struct client only_client = {.number = 1};
#endif

#if STEP == 1
static int receive(struct client *client);
static void send_all(struct client *client, int bytes);
#else
static SOCKET listener;
#if STEP >= 6
#if STEP >= 7
static bool accepting;
#endif

#if STEP >= 7
/* Step 7: events[i] is the event of clients[i]; a client keeps its event but not its place. */
#endif
static WSAEVENT events[WSA_MAXIMUM_WAIT_EVENTS];
#endif
#if STEP < 7
static struct client only_client;
#else
static struct client *clients[WSA_MAXIMUM_WAIT_EVENTS];
#endif
#if STEP >= 6
static DWORD event_count;
#endif

static int clients_served;
#if STEP >= 8
static long long bytes_echoed;
static int operations_pending;
#endif

#if STEP >= 5
#if STEP >= 6
static void start_accepting(void);
#endif
static void serve_until_stopped(void);
#endif
static void accept_client(void);
#if STEP >= 5
#if STEP < 7
static void serve_client(struct client *client);
#else
static void serve_client(DWORD place);
#endif
#endif
#if STEP == 2
static bool receive(struct client *client);
#else
static void receive(struct client *client);
static void receive_completed(struct client *client, DWORD bytes);
#endif
static void send_rest(struct client *client);
#endif
#if STEP < 3
static int operation_result(struct client *client, const char *call, int result);
#else
static void send_completed(struct client *client, DWORD bytes);
#if STEP == 3
static bool operation_result(struct client *client, const char *call, int result, DWORD *bytes);
#else
#if STEP < 8
static bool operation_result(struct client *client, DWORD *bytes);
#else
static bool operation_result(struct client *client, BOOL wait, DWORD *bytes);
#endif
static enum outcome check_outcome(struct client *client, const char *call, int result);
#if STEP >= 6
static void stop_accepting(const char *reason);
#if STEP >= 8
static void stop_serving(void);
static void request_stop(void);
#endif
#endif
static WSAEVENT create_event(void);
#endif
#endif
#if STEP >= 2
static WSAOVERLAPPED *fresh_overlapped(struct client *client);
#if STEP >= 4
#if STEP >= 7
static void add_client(struct client *client);
static void remove_client(DWORD place);
#endif
static void close_client(struct client *client);
#endif
#endif

int main(int argc, char **argv)
{
    struct arguments arguments = read_server_arguments(argc, argv);
    start_narration(arguments.quiet, stdout);
    start_winsock();

#if STEP >= 6
#if STEP >= 8
    /* Step 8: an event for the shutdown. Step 6: an event for the listener. */
    events[STOP] = create_event();
#endif
    events[LISTENER] = create_event();
#if STEP == 6
    events[FIRST_CLIENT] = only_client.event = create_event();
#endif
    event_count = FIRST_CLIENT;
#if STEP >= 8
    call_on_ctrl_c(request_stop);
#endif

#endif
    /* Step 1: a listening socket. Accepted sockets are overlapped because it is. */
    struct addrinfo *address = find_addresses(arguments.host, arguments.port);
#if STEP == 1
    SOCKET listener =
#else
    listener =
#endif
        WSASocketW(address->ai_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (listener == INVALID_SOCKET)
        fail(WSAGetLastError(), "WSASocket");
    listen_at(listener, address);
    freeaddrinfo(address);
#if STEP >= 2
#if STEP < 7
    narrate(0, "listen", "at most 1 client at a time");
#elif STEP == 7
    narrate(0, "listen", "64 events a wait: listener, at most %d clients", MAX_CLIENTS);
#else
    narrate(0, "listen", "64 events a wait: stop, listener, at most %d clients", MAX_CLIENTS);
#endif
#endif
#if STEP < 4
    only_client.event = WSACreateEvent();
    if (only_client.event == WSA_INVALID_EVENT)
        fail(WSAGetLastError(), "WSACreateEvent");
#else
#if STEP < 6
    only_client.event = create_event();
#endif

#if STEP >= 6
    start_accepting();
#endif
#endif
#if STEP == 1
    only_client.socket = accept(listener, NULL, NULL);
    if (only_client.socket == INVALID_SOCKET)
        fail(WSAGetLastError(), "accept");
    for (int bytes; (bytes = receive(&only_client)) > 0;)
        send_all(&only_client, bytes);
    closesocket(only_client.socket);
#elif STEP < 5
    for (;;)
        accept_client();
#else
    serve_until_stopped();
#if STEP >= 8
    stop_serving();

    stop_winsock();
    return 0;
#endif
#endif
}
#if STEP >= 2
#if STEP >= 5
#if STEP >= 6

/* Step 6: new clients are announced as in chapter 21. */
static void start_accepting(void)
{
    if (WSAEventSelect(listener, events[LISTENER], FD_ACCEPT) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of the listener");
#if STEP >= 7
    accepting = true;
#endif
    narrate(0, "WSAEventSelect", "listener: FD_ACCEPT");
#if STEP >= 7
    /* Not the first time: FD_ACCEPT may not come again for a client that waits, so try accept. */
    if (clients_served > 0)
        WSASetEvent(events[LISTENER]);
#endif
}
#endif

/* Step 5: one place to wait. The functions below only begin operations, or ask for results. */
static void serve_until_stopped(void)
{
#if STEP == 5
    only_client.state = CLOSING;
#endif
    for (;;) {
#if STEP == 5
        while (only_client.state == CLOSING)
            accept_client();
        narrate(0, "WSAWaitForMultipleEvents", "wait for the event of the operation");
        DWORD place = WSAWaitForMultipleEvents(1, &only_client.event, FALSE, WSA_INFINITE, FALSE);
#else
        narrate(0, "WSAWaitForMultipleEvents", "wait for one of %lu events", event_count);
        DWORD place = WSAWaitForMultipleEvents(event_count, events, FALSE, WSA_INFINITE, FALSE);
#endif
        if (place == WSA_WAIT_FAILED)
            fail(WSAGetLastError(), "WSAWaitForMultipleEvents");
        place -= WSA_WAIT_EVENT_0;
        narrate(0, "WSAWaitForMultipleEvents", "event %lu is signalled", place);

#if STEP >= 8
        if (place == STOP)
            return;
#endif
#if STEP == 5
        serve_client(&only_client);
#else
        if (place == LISTENER) {
            WSANETWORKEVENTS happened;
            if (WSAEnumNetworkEvents(listener, events[LISTENER], &happened) == SOCKET_ERROR)
                fail(WSAGetLastError(), "WSAEnumNetworkEvents of the listener");
            accept_client();
        } else {
#if STEP == 6
            serve_client(&only_client);
#else
            serve_client(place);
#endif
        }
#endif
    }
}
#endif

#if STEP >= 6
/* Step 6: FD_ACCEPT means that a client waits. It comes again after accept if more are waiting. */
#endif
static void accept_client(void)
{
    SOCKET accepted = accept(listener, NULL, NULL);
#if STEP < 4
    if (accepted == INVALID_SOCKET)
        fail(WSAGetLastError(), "accept");
#else
    if (accepted == INVALID_SOCKET) {
        int error = WSAGetLastError();
#if STEP >= 6
        if (error == WSAEWOULDBLOCK)
            return; /* no client is waiting */
#endif
        narrate_failure(0, "accept", error);
#if STEP < 7
        if (error == WSAEMFILE || error == WSAENOBUFS)
            fail(error, "accept");
#else
        if (error == WSAEMFILE || error == WSAENOBUFS) {
            if (event_count == FIRST_CLIENT)
                fail(error, "accept");
            stop_accepting("until a client leaves");
        }
#endif
        return; /* any other error: that client has already gone */
    }
#endif

#if STEP < 7
    struct client *client = &only_client;
#else
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a client");
#endif
    client->socket = accepted;
#if STEP >= 7
    client->event = create_event();
#endif
    client->number = ++clients_served;
#if STEP >= 3
    client->state = RECEIVING;
#endif
#if STEP < 6
    narrate(client->number, "accept", "a client");
#else
    narrate(client->number, "accept", "client %lu of at most %d", event_count - FIRST_CLIENT + 1,
            MAX_CLIENTS);
#endif

#if STEP >= 4
#if STEP >= 6
    /* The new socket has inherited the listener's event, and does not need it: its operations
     * signal the client's event. */
    if (WSAEventSelect(accepted, NULL, 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of client %d", client->number);
#endif
    /* TODO GREETING: this is the client's first operation. */
#endif
#if STEP == 2
    while (receive(client))
        send_rest(client);
#elif STEP < 5
    while (client->state != CLOSING)
        receive(client);
#endif
#if STEP < 4
    closesocket(client->socket);
    narrate(client->number, "closesocket", "closed");
#elif STEP == 4
    close_client(client);
#else
    receive(client);
#if STEP == 5
    if (client->state == CLOSING)
#else
    if (client->state == CLOSING) {
#endif
        close_client(client);
#if STEP >= 6
        return;
    }
#if STEP == 6
    event_count++;
    stop_accepting("full");
#else
    add_client(client);
    if (event_count == WSA_MAXIMUM_WAIT_EVENTS)
        stop_accepting("full");
#endif
#endif
#endif
}
#if STEP >= 5

/* Continues with a client whose operation has completed. */
#if STEP < 7
static void serve_client(struct client *client)
#else
static void serve_client(DWORD place)
#endif
{
#if STEP >= 7
    struct client *client = clients[place];
#endif
    DWORD bytes;

#if STEP < 8
    if (operation_result(client, &bytes)) {
#else
    if (operation_result(client, FALSE, &bytes)) {
#endif
        if (client->state == SENDING) {
            send_completed(client, bytes);
            send_rest(client);
        } else {
            receive_completed(client, bytes);
        }
    }
    if (client->state == RECEIVING)
        receive(client);

#if STEP >= 7
    /* Step 7: a wait returns the first of the signalled events. So a client that has been served
     * goes to the back: the first is then the one served longest ago, and no client starves. */
    remove_client(place);
#endif
#if STEP == 5
    if (client->state == CLOSING)
#else
    if (client->state == CLOSING) {
#if STEP == 6
        event_count--;
#endif
#endif
        close_client(client);
#if STEP >= 6
#if STEP == 6
        start_accepting();
#else
        if (!accepting)
            start_accepting();
    } else {
        add_client(client);
#endif
    }
#endif
}
#endif
#endif

#if STEP < 5
/* Step 1: the receive begins before there is anything to receive. */
#else
/* Step 1: the receive begins before there is anything to receive. Even a receive that completes
 * immediately is handled by the wait, so that no client can monopolise this thread. */
#endif
#if STEP == 1
static int receive(struct client *client)
#elif STEP == 2
static bool receive(struct client *client)
#else
static void receive(struct client *client)
#endif
{
    WSABUF space = {BUFFER_SIZE, client->buffer}; /* the whole buffer, each time */
    DWORD flags = 0;
#if STEP == 1
    client->overlapped = (WSAOVERLAPPED){.hEvent = client->event};
    int result = WSARecv(client->socket, &space, 1, NULL, &flags, &client->overlapped, NULL);
    return operation_result(client, "WSARecv", result);
#else
    int result = WSARecv(client->socket, &space, 1, NULL, &flags, fresh_overlapped(client), NULL);
#if STEP == 2
    client->received = operation_result(client, "WSARecv", result);
    client->sent = 0;
    return client->received > 0; /* 0: the client has sent all it wanted */
#else
#if STEP < 5
    DWORD bytes;
#endif
#if STEP == 3
    if (operation_result(client, "WSARecv", result, &bytes))
#elif STEP == 4
    if (check_outcome(client, "WSARecv", result) != FAILED && operation_result(client, &bytes))
#endif
#if STEP < 5
        receive_completed(client, bytes);
#else
    check_outcome(client, "WSARecv", result);
#endif
#endif
#endif
}
#if STEP >= 2
#if STEP >= 3

static void receive_completed(struct client *client, DWORD bytes)
{
    if (bytes == 0) { /* the client has sent all it wanted, and all of it is echoed */
        shutdown(client->socket, SD_SEND);
        client->state = CLOSING;
        return;
    }
#if STEP >= 5
    /* TODO FRAME: a receive can end anywhere, even in the middle of a message. */
#endif
    client->received = (int)bytes;
    client->sent = 0;
    send_rest(client);
}
#endif

#if STEP < 5
/* Step 2: a send may be short, so this goes on until all is sent. */
#else
/* Step 2: a send may be short, so this goes on until all is sent. Step 5: or until a send is
 * pending. The result of a send that completes immediately is ready, which saves a wait. */
#endif
static void send_rest(struct client *client)
{
#if STEP >= 3
    client->state = SENDING;
#endif
    while (client->sent < client->received) {
        WSABUF rest = {(ULONG)(client->received - client->sent), client->buffer + client->sent};
        int result = WSASend(client->socket, &rest, 1, NULL, 0, fresh_overlapped(client), NULL);
#if STEP == 2
        client->sent += operation_result(client, "WSASend", result);
#else
        DWORD bytes;
#if STEP == 3
        if (!operation_result(client, "WSASend", result, &bytes))
#elif STEP == 4
        if (check_outcome(client, "WSASend", result) == FAILED || !operation_result(client, &bytes))
#elif STEP < 8
        if (check_outcome(client, "WSASend", result) != DONE || !operation_result(client, &bytes))
#else
        if (check_outcome(client, "WSASend", result) != DONE ||
            !operation_result(client, FALSE, &bytes))
#endif
            return;
        send_completed(client, bytes);
#endif
    }
#if STEP >= 3
    client->state = RECEIVING;
#endif
}
#if STEP >= 3

static void send_completed(struct client *client, DWORD bytes)
{
    client->sent += (int)bytes;
#if STEP >= 8
    bytes_echoed += bytes;
#endif
}
#endif
#endif
#if STEP == 1

static void send_all(struct client *client, int bytes)
{
    WSABUF all = {(ULONG)bytes, client->buffer};
    client->overlapped = (WSAOVERLAPPED){.hEvent = client->event};
    int result = WSASend(client->socket, &all, 1, NULL, 0, &client->overlapped, NULL);
    operation_result(client, "WSASend", result);
}
#endif

#if STEP < 3
static int operation_result(struct client *client, const char *call, int result)
#else
/* Step 3: how did the operation end? Returns false if it failed. */
#if STEP == 3
static bool operation_result(struct client *client, const char *call, int result, DWORD *bytes)
#elif STEP < 8
static bool operation_result(struct client *client, DWORD *bytes)
#else
static bool operation_result(struct client *client, BOOL wait, DWORD *bytes)
#endif
#endif
{
#if STEP < 4
    if (result == SOCKET_ERROR && WSAGetLastError() != WSA_IO_PENDING)
        fail(WSAGetLastError(), "%s", call);
    narrate(client->number, call, result == 0 ? "completed" : "pending (WSA_IO_PENDING)");
#endif
#if STEP < 5
    if (WSAWaitForMultipleEvents(1, &client->event, FALSE, WSA_INFINITE, FALSE) == WSA_WAIT_FAILED)
        fail(WSAGetLastError(), "WSAWaitForMultipleEvents");
    narrate(client->number, "WSAWaitForMultipleEvents", "the event is signalled");
#endif
#if STEP < 3
    DWORD bytes, flags;
    if (!WSAGetOverlappedResult(client->socket, &client->overlapped, &bytes, FALSE, &flags))
        fail(WSAGetLastError(), "WSAGetOverlappedResult");
    narrate(client->number, "WSAGetOverlappedResult", "%lu bytes", bytes);
    return (int)bytes;
#else
#if STEP < 5

#endif
    DWORD flags; /* required by the call, not used here */
    BOOL succeeded =
#if STEP < 8
        WSAGetOverlappedResult(client->socket, &client->overlapped, bytes, FALSE, &flags);
#else
        WSAGetOverlappedResult(client->socket, &client->overlapped, bytes, wait, &flags);
#endif
    int error = WSAGetLastError();

#if STEP >= 8
    operations_pending--;
#endif
    if (!succeeded) {
        narrate_failure(client->number, "WSAGetOverlappedResult", error);
        client->state = CLOSING;
        return false;
    }
    narrate(client->number, "WSAGetOverlappedResult", "%lu bytes %s", *bytes,
            client->state == SENDING ? "sent" : "received");
    return true;
#endif
}
#if STEP >= 2
#if STEP >= 4

/* Step 4: WSARecv and WSASend have three outcomes.
 *   0               completed immediately; the event is signalled already
 *   WSA_IO_PENDING  in progress; the event will be signalled
 *   another error   failed: nothing is in progress, and the event will never be signalled */
static enum outcome check_outcome(struct client *client, const char *call, int result)
{
    int error = result == 0 ? 0 : WSAGetLastError();
    if (error != 0 && error != WSA_IO_PENDING) {
        narrate_failure(client->number, call, error);
        client->state = CLOSING;
        return FAILED;
    }
#if STEP >= 8
    operations_pending++;
#endif
    narrate(client->number, call, error == 0 ? "completed" : "pending (WSA_IO_PENDING)");
    return error == 0 ? DONE : PENDING;
}
#if STEP >= 6

/* New clients then wait in the listener's backlog until there is a place for them. */
static void stop_accepting(const char *reason)
{
    if (WSAEventSelect(listener, events[LISTENER], 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of the listener");
    WSAResetEvent(events[LISTENER]);
#if STEP >= 7
    accepting = false;
#endif
    narrate(0, "WSAEventSelect", "listener: nothing, %s", reason);
}
#if STEP >= 8

/* Step 8: every client has an operation in progress, and its memory belongs to the system until
 * that has completed. So: cancel the operation, wait for its end, then free the client. */
static void stop_serving(void)
{
    narrate(0, "CancelIoEx", "%d operations in progress: cancelled (WSA_OPERATION_ABORTED)",
            operations_pending);
    pause_narration(); /* leave this out to see each of them end */
    closesocket(listener);
    for (DWORD i = FIRST_CLIENT; i < event_count; i++) {
        struct client *client = clients[i];
        DWORD bytes;
        if (!CancelIoEx((HANDLE)client->socket, &client->overlapped) &&
            GetLastError() != ERROR_NOT_FOUND) /* not found: it has completed already */
            fail((int)GetLastError(), "CancelIoEx of client %d", client->number);
        if (operation_result(client, TRUE, &bytes) && client->state == SENDING)
            send_completed(client, bytes); /* it had completed before the cancellation */
        close_client(client);
    }
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
#endif

static WSAEVENT create_event(void)
{
    WSAEVENT event = WSACreateEvent(); /* manual-reset: signalled until it is reset */
    if (event == WSA_INVALID_EVENT)
        fail(WSAGetLastError(), "WSACreateEvent");
    return event;
}
#endif

/* Each operation begins with a fresh OVERLAPPED; at its end the system signals the event in it. */
static WSAOVERLAPPED *fresh_overlapped(struct client *client)
{
    memset(&client->overlapped, 0, sizeof client->overlapped);
    client->overlapped.hEvent = client->event;
    return &client->overlapped;
}
#if STEP >= 4
#if STEP >= 7

static void add_client(struct client *client)
{
    events[event_count] = client->event;
    clients[event_count] = client;
    event_count++;
}

static void remove_client(DWORD place)
{
    event_count--;
    for (DWORD i = place; i < event_count; i++) {
        events[i] = events[i + 1];
        clients[i] = clients[i + 1];
    }
}
#endif

/* Only for a client without an operation in progress: with one, its memory is still in use. */
static void close_client(struct client *client)
{
    closesocket(client->socket);
#if STEP >= 7
    WSACloseEvent(client->event);
#endif
    narrate(client->number, "closesocket", "closed");
#if STEP >= 7
    free(client);
#endif
}
#endif
#endif
