/*
 * Chapter 22: overlapped I/O with events - the echo server.
 *
 * The program lends the system a buffer with WSARecv or WSASend, which return immediately. The
 * system transfers the bytes, and signals an event object when that is *done*.
 *
 *   cl  /std:c11 server.c ..\common\*.c
 *   gcc -std=c11 server.c ..\common\*.c -o server.exe -lws2_32
 *
 * Left simple on purpose: one thread, so one wait, so at most 64 events; when memory or event
 * objects run out, the server ends; and a shutdown drops what is still on its way.
 */
#include "../common/common.h"

#include <stdlib.h>

enum {
    BUFFER_SIZE = 128 * 1024, /* an experiment: make it 5 and count the WSARecv calls */

    /* One wait takes at most 64 events: the stop event, the listener's, and one for each client. */
    STOP = 0,
    LISTENER = 1,
    FIRST_CLIENT = 2,
    MAX_CLIENTS = WSA_MAXIMUM_WAIT_EVENTS - FIRST_CLIENT
};

enum state { RECEIVING, SENDING, CLOSING };

/* How a call of WSARecv or WSASend turned out: see check_outcome. */
enum outcome { DONE, PENDING, FAILED };

/* For each client the server receives, sends all of it back, and receives again. It reads nothing
 * new until everything is echoed, so a client that never reads costs exactly one buffer.
 * While the operation is in progress, overlapped and buffer belong to the system. */
struct client {
    SOCKET socket;
    WSAEVENT event;
    int number;
    enum state state;
    WSAOVERLAPPED overlapped; /* of the one operation in progress */
    int received;             /* bytes in buffer */
    int sent;                 /* how many of them have been sent back */
    char buffer[BUFFER_SIZE];
};

static SOCKET listener;
static bool accepting;

/* Step 7: events[i] is the event of clients[i]; a client keeps its event but not its place. */
static WSAEVENT events[WSA_MAXIMUM_WAIT_EVENTS];
static struct client *clients[WSA_MAXIMUM_WAIT_EVENTS];
static DWORD event_count;

static int clients_served;
static long long bytes_echoed;
static int operations_pending;

static void start_accepting(void);
static void serve_until_stopped(void);
static void accept_client(void);
static void serve_client(DWORD place);
static void receive(struct client *client);
static void receive_completed(struct client *client, DWORD bytes);
static void send_rest(struct client *client);
static void send_completed(struct client *client, DWORD bytes);
static bool operation_result(struct client *client, BOOL wait, DWORD *bytes);
static enum outcome check_outcome(struct client *client, const char *call, int result);
static void stop_accepting(const char *reason);
static void stop_serving(void);
static void request_stop(void);
static WSAEVENT create_event(void);
static WSAOVERLAPPED *fresh_overlapped(struct client *client);
static void add_client(struct client *client);
static void remove_client(DWORD place);
static void close_client(struct client *client);

int main(int argc, char **argv)
{
    struct arguments arguments = read_server_arguments(argc, argv);
    start_narration(arguments.quiet, stdout);
    start_winsock();

    /* Step 8: an event for the shutdown. Step 6: an event for the listener. */
    events[STOP] = create_event();
    events[LISTENER] = create_event();
    event_count = FIRST_CLIENT;
    call_on_ctrl_c(request_stop);

    /* Step 1: a listening socket. Accepted sockets are overlapped because it is. */
    struct addrinfo *address = find_addresses(arguments.host, arguments.port);
    listener =
        WSASocketW(address->ai_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (listener == INVALID_SOCKET)
        fail(WSAGetLastError(), "WSASocket");
    listen_at(listener, address);
    freeaddrinfo(address);
    narrate(0, "listen", "64 events a wait: stop, listener, at most %d clients", MAX_CLIENTS);

    start_accepting();
    serve_until_stopped();
    stop_serving();

    stop_winsock();
    return 0;
}

/* Step 6: new clients are announced as in chapter 21. */
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

/* Step 5: one place to wait. The functions below only begin operations, or ask for results. */
static void serve_until_stopped(void)
{
    for (;;) {
        narrate(0, "WSAWaitForMultipleEvents", "wait for one of %lu events", event_count);
        DWORD place = WSAWaitForMultipleEvents(event_count, events, FALSE, WSA_INFINITE, FALSE);
        if (place == WSA_WAIT_FAILED)
            fail(WSAGetLastError(), "WSAWaitForMultipleEvents");
        place -= WSA_WAIT_EVENT_0;
        narrate(0, "WSAWaitForMultipleEvents", "event %lu is signalled", place);

        if (place == STOP)
            return;
        if (place == LISTENER) {
            WSANETWORKEVENTS happened;
            if (WSAEnumNetworkEvents(listener, events[LISTENER], &happened) == SOCKET_ERROR)
                fail(WSAGetLastError(), "WSAEnumNetworkEvents of the listener");
            accept_client();
        } else {
            serve_client(place);
        }
    }
}

/* Step 6: FD_ACCEPT means that a client waits. It comes again after accept if more are waiting. */
static void accept_client(void)
{
    SOCKET accepted = accept(listener, NULL, NULL);
    if (accepted == INVALID_SOCKET) {
        int error = WSAGetLastError();
        if (error == WSAEWOULDBLOCK)
            return; /* no client is waiting */
        narrate_failure(0, "accept", error);
        if (error == WSAEMFILE || error == WSAENOBUFS) {
            if (event_count == FIRST_CLIENT)
                fail(error, "accept");
            stop_accepting("until a client leaves");
        }
        return; /* any other error: that client has already gone */
    }

    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a client");
    client->socket = accepted;
    client->event = create_event();
    client->number = ++clients_served;
    client->state = RECEIVING;
    narrate(client->number, "accept", "client %lu of at most %d", event_count - FIRST_CLIENT + 1,
            MAX_CLIENTS);

    /* The new socket has inherited the listener's event, and does not need it: its operations
     * signal the client's event. */
    if (WSAEventSelect(accepted, NULL, 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of client %d", client->number);
    /* TODO GREETING: this is the client's first operation. */
    receive(client);
    if (client->state == CLOSING) {
        close_client(client);
        return;
    }
    add_client(client);
    if (event_count == WSA_MAXIMUM_WAIT_EVENTS)
        stop_accepting("full");
}

/* Continues with a client whose operation has completed. */
static void serve_client(DWORD place)
{
    struct client *client = clients[place];
    DWORD bytes;

    if (operation_result(client, FALSE, &bytes)) {
        if (client->state == SENDING) {
            send_completed(client, bytes);
            send_rest(client);
        } else {
            receive_completed(client, bytes);
        }
    }
    if (client->state == RECEIVING)
        receive(client);

    /* Step 7: a wait returns the first of the signalled events. So a client that has been served
     * goes to the back: the first is then the one served longest ago, and no client starves. */
    remove_client(place);
    if (client->state == CLOSING) {
        close_client(client);
        if (!accepting)
            start_accepting();
    } else {
        add_client(client);
    }
}

/* Step 1: the receive begins before there is anything to receive. Even a receive that completes
 * immediately is handled by the wait, so that no client can monopolise this thread. */
static void receive(struct client *client)
{
    WSABUF space = {BUFFER_SIZE, client->buffer}; /* the whole buffer, each time */
    DWORD flags = 0;
    int result = WSARecv(client->socket, &space, 1, NULL, &flags, fresh_overlapped(client), NULL);
    check_outcome(client, "WSARecv", result);
}

static void receive_completed(struct client *client, DWORD bytes)
{
    if (bytes == 0) { /* the client has sent all it wanted, and all of it is echoed */
        shutdown(client->socket, SD_SEND);
        client->state = CLOSING;
        return;
    }
    /* TODO FRAME: a receive can end anywhere, even in the middle of a message. */
    client->received = (int)bytes;
    client->sent = 0;
    send_rest(client);
}

/* Step 2: a send may be short, so this goes on until all is sent. Step 5: or until a send is
 * pending. The result of a send that completes immediately is ready, which saves a wait. */
static void send_rest(struct client *client)
{
    client->state = SENDING;
    while (client->sent < client->received) {
        WSABUF rest = {(ULONG)(client->received - client->sent), client->buffer + client->sent};
        int result = WSASend(client->socket, &rest, 1, NULL, 0, fresh_overlapped(client), NULL);
        DWORD bytes;
        if (check_outcome(client, "WSASend", result) != DONE ||
            !operation_result(client, FALSE, &bytes))
            return;
        send_completed(client, bytes);
    }
    client->state = RECEIVING;
}

static void send_completed(struct client *client, DWORD bytes)
{
    client->sent += (int)bytes;
    bytes_echoed += bytes;
}

/* Step 3: how did the operation end? Returns false if it failed. */
static bool operation_result(struct client *client, BOOL wait, DWORD *bytes)
{
    DWORD flags; /* required by the call, not used here */
    BOOL succeeded =
        WSAGetOverlappedResult(client->socket, &client->overlapped, bytes, wait, &flags);
    int error = WSAGetLastError();

    operations_pending--;
    if (!succeeded) {
        narrate_failure(client->number, "WSAGetOverlappedResult", error);
        client->state = CLOSING;
        return false;
    }
    narrate(client->number, "WSAGetOverlappedResult", "%lu bytes %s", *bytes,
            client->state == SENDING ? "sent" : "received");
    return true;
}

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
    operations_pending++;
    narrate(client->number, call, error == 0 ? "completed" : "pending (WSA_IO_PENDING)");
    return error == 0 ? DONE : PENDING;
}

/* New clients then wait in the listener's backlog until there is a place for them. */
static void stop_accepting(const char *reason)
{
    if (WSAEventSelect(listener, events[LISTENER], 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of the listener");
    WSAResetEvent(events[LISTENER]);
    accepting = false;
    narrate(0, "WSAEventSelect", "listener: nothing, %s", reason);
}

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

static WSAEVENT create_event(void)
{
    WSAEVENT event = WSACreateEvent(); /* manual-reset: signalled until it is reset */
    if (event == WSA_INVALID_EVENT)
        fail(WSAGetLastError(), "WSACreateEvent");
    return event;
}

/* Each operation begins with a fresh OVERLAPPED; at its end the system signals the event in it. */
static WSAOVERLAPPED *fresh_overlapped(struct client *client)
{
    memset(&client->overlapped, 0, sizeof client->overlapped);
    client->overlapped.hEvent = client->event;
    return &client->overlapped;
}

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

/* Only for a client without an operation in progress: with one, its memory is still in use. */
static void close_client(struct client *client)
{
    closesocket(client->socket);
    WSACloseEvent(client->event);
    narrate(client->number, "closesocket", "closed");
    free(client);
}
