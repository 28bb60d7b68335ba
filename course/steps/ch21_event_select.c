/*
 * All the steps of chapter 21's server. tools/steps.c prints a step; the last one is
 * ch21_event_select/server.c. Change the server here. This comment is not part of it.
 *
 * Step 1: one client: the calls of the lecture notes
 * Step 2: many clients: an event for each, one wait for all
 * Step 3: the end: FD_CLOSE, and a reset that affects only one client
 * Step 4: a slow reader: WSAEWOULDBLOCK and FD_WRITE
 * Step 5: a full server: stop accepting, then resume
 * Step 6: fairness: a client that was served goes to the back
 * Step 7: an orderly shutdown: Ctrl+C is one more event
 */
/*
 * Chapter 21: asynchronous notification with WSAEventSelect - the echo server.
 *
 * The system signals an event object when a socket is *ready*; the program then transfers the
 * bytes itself, with recv and send, which do not block.
#if STEP >= 7
 *
 *   cl  /std:c11 server.c ..\common\*.c
 *   gcc -std=c11 server.c ..\common\*.c -o server.exe -lws2_32
 *
 * Left simple on purpose: one thread, so one wait, so at most 64 events; when memory or event
 * objects run out, the server ends; and a shutdown drops what is still on its way.
#endif
 */
#include "../common/common.h"

#if STEP < 2
enum { BUFFER_SIZE = 128 * 1024, LISTENER = 0, CLIENT = 1 };
#else
#include <stdlib.h>
#endif

#if STEP < 2
static SOCKET listener, client;
static WSAEVENT events[2];
#else
enum {
#endif
#if STEP >= 2 && STEP < 7
    BUFFER_SIZE = 128 * 1024,
#elif STEP >= 7
    BUFFER_SIZE = 128 * 1024, /* an experiment: make it 5 and count the FD_READ events */
#endif
#if STEP >= 2

#endif
#if STEP >= 2 && STEP < 7
    /* One wait takes at most 64 events: the listener's, and one for each client. */
    LISTENER = 0,
    FIRST_CLIENT = 1,
#elif STEP >= 7
    /* One wait takes at most 64 events: the stop event, the listener's, and one for each client. */
    STOP = 0,
    LISTENER = 1,
    FIRST_CLIENT = 2,
#endif
#if STEP >= 2
    MAX_CLIENTS = WSA_MAXIMUM_WAIT_EVENTS - FIRST_CLIENT
};

#endif
#if STEP == 3
enum state { RECEIVING, CLOSING };
#elif STEP >= 4
enum state { RECEIVING, SENDING, CLOSING };
#endif
#if STEP >= 3

#endif
#if STEP >= 4
/* For each client the server receives, sends all of it back, and receives again. It reads nothing
 * new until everything is echoed, so a client that never reads costs exactly one buffer. */
#endif
#if STEP >= 2
struct client {
    SOCKET socket;
    WSAEVENT event;
    int number;
#endif
#if STEP >= 3
    enum state state;
#endif
#if STEP >= 4
    bool readable;    /* FD_READ came, and recv has not been called since */
#endif
#if STEP >= 3
    bool peer_closed; /* FD_CLOSE came: it comes only once, so it is remembered */
#endif
#if STEP >= 4
    int received;     /* bytes in buffer */
    int sent;         /* how many of them have been sent back */
    char buffer[BUFFER_SIZE];
#endif
#if STEP >= 2
};

static SOCKET listener;
#endif
#if STEP >= 5
static bool accepting;
#endif
#if STEP >= 2

#endif
#if STEP >= 2 && STEP < 6
/* events[i] is the event of clients[i]. */
#elif STEP >= 6
/* events[i] is the event of clients[i]; a client keeps its event but not its place. */
#endif
#if STEP >= 2
static WSAEVENT events[WSA_MAXIMUM_WAIT_EVENTS];
static struct client *clients[WSA_MAXIMUM_WAIT_EVENTS];
#endif
static DWORD event_count;
#if STEP >= 2
static int clients_served;
#endif
#if STEP >= 7
static long long bytes_echoed;
#endif

#if STEP >= 5
static void start_accepting(void);
#endif
#if STEP < 7
static void serve_clients(void);
#else
static void serve_until_stopped(void);
#endif
static void accept_client(void);
#if STEP < 2
static void serve_client(void);
#else
static void serve_client(DWORD place);
#endif
#if STEP >= 4
static int event_error(const WSANETWORKEVENTS *happened);
#endif
#if STEP >= 3
static void receive(struct client *client);
#endif
#if STEP >= 4
static void send_rest(struct client *client);
#endif
#if STEP >= 5
static void stop_accepting(const char *reason);
#endif
#if STEP >= 7
static void stop_serving(void);
static void request_stop(void);
#endif
#if STEP >= 5
static WSAEVENT create_event(void);
#endif
#if STEP >= 6
static void add_client(struct client *client);
#endif
#if STEP >= 3
static void remove_client(DWORD place);
static void close_client(struct client *client);
#endif

int main(int argc, char **argv)
{
    struct arguments arguments = read_server_arguments(argc, argv);
    start_narration(arguments.quiet, stdout);
    start_winsock();

#if STEP >= 7
    events[STOP] = create_event();
#endif
#if STEP < 5
    events[LISTENER] = WSACreateEvent();
#else
    events[LISTENER] = create_event();
#endif
#if STEP < 2
    events[CLIENT] = WSACreateEvent();
    event_count = 1;
#else
    event_count = FIRST_CLIENT;
#endif
#if STEP >= 7
    call_on_ctrl_c(request_stop);
#endif

    struct addrinfo *address = find_addresses(arguments.host, arguments.port);
    listener = socket(address->ai_family, SOCK_STREAM, IPPROTO_TCP);
#if STEP >= 6
    if (listener == INVALID_SOCKET)
        fail(WSAGetLastError(), "socket");
#endif
    listen_at(listener, address);
    freeaddrinfo(address);
#if STEP >= 2 && STEP < 7
    narrate(0, "listen", "64 events a wait: listener, at most %d clients", MAX_CLIENTS);
#elif STEP >= 7
    narrate(0, "listen", "64 events a wait: stop, listener, at most %d clients", MAX_CLIENTS);
#endif

#if STEP < 5
    /* Step 1: one call registers the listener; unlike with select, once is enough. */
    WSAEventSelect(listener, events[LISTENER], FD_ACCEPT);
    narrate(0, "WSAEventSelect", "listener: FD_ACCEPT");
#else
    start_accepting();
#endif
#if STEP < 7
    serve_clients();
#else
    serve_until_stopped();
    stop_serving();

    stop_winsock();
    return 0;
#endif
}

#if STEP >= 5
/* Step 1: one call registers the listener; unlike with select, it is not repeated for each wait.
 * Step 5: it is repeated only when a server that was full accepts again. */
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

#endif
/* Step 1: one thread waits for everything that can happen. */
#if STEP < 7
static void serve_clients(void)
#else
static void serve_until_stopped(void)
#endif
{
    for (;;) {
#if STEP >= 7
        /* TODO IDLE: this wait has no time-out. */
#endif
        narrate(0, "WSAWaitForMultipleEvents", "wait for one of %lu events", event_count);
        DWORD place = WSAWaitForMultipleEvents(event_count, events, FALSE, WSA_INFINITE, FALSE);
#if STEP >= 6
        if (place == WSA_WAIT_FAILED)
            fail(WSAGetLastError(), "WSAWaitForMultipleEvents");
#endif
        place -= WSA_WAIT_EVENT_0;
        narrate(0, "WSAWaitForMultipleEvents", "event %lu is signalled", place);
#if STEP >= 7

        if (place == STOP)
            return;
#endif
        if (place == LISTENER) {
            WSANETWORKEVENTS happened;
#if STEP < 6
            WSAEnumNetworkEvents(listener, events[LISTENER], &happened);
#else
            if (WSAEnumNetworkEvents(listener, events[LISTENER], &happened) == SOCKET_ERROR)
                fail(WSAGetLastError(), "WSAEnumNetworkEvents of the listener");
#endif
            accept_client();
        } else {
#if STEP < 2
            serve_client();
#else
            serve_client(place);
#endif
        }
    }
}

static void accept_client(void)
{
#if STEP < 2
    if (event_count == 2)
        return; /* there is a client already, and no place for another one */
    client = accept(listener, NULL, NULL);
    narrate(1, "accept", "the only client");
    WSAEventSelect(client, events[CLIENT], FD_READ);
    event_count = 2;
#else
    SOCKET accepted = accept(listener, NULL, NULL);
#endif
#if STEP >= 2 && STEP < 5
    if (event_count == WSA_MAXIMUM_WAIT_EVENTS)
        fail(0, "client %d is one too many for a wait of 64 events", clients_served + 1);
#elif STEP >= 5
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
#endif
#if STEP >= 2

    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a client");
    client->socket = accepted;
#endif
#if STEP >= 2 && STEP < 5
    client->event = WSACreateEvent();
#elif STEP >= 5
    client->event = create_event();
#endif
#if STEP >= 2
    client->number = ++clients_served;
#endif
#if STEP >= 3
    client->state = RECEIVING;
#endif
#if STEP >= 2
    narrate(client->number, "accept", "client %lu of at most %d", event_count - FIRST_CLIENT + 1,
            MAX_CLIENTS);

    /* Step 2: the new socket has inherited the listener's event; this call gives it its own. */
#endif
#if STEP == 2
    WSAEventSelect(accepted, client->event, FD_READ);
#endif
#if STEP == 3
    WSAEventSelect(accepted, client->event, FD_READ | FD_CLOSE);
    narrate(client->number, "WSAEventSelect", "FD_READ FD_CLOSE");
#endif
#if STEP >= 4 && STEP < 6
    WSAEventSelect(accepted, client->event, FD_READ | FD_WRITE | FD_CLOSE);
#elif STEP >= 6
    if (WSAEventSelect(accepted, client->event, FD_READ | FD_WRITE | FD_CLOSE) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of client %d", client->number);
#endif
#if STEP >= 4
    narrate(client->number, "WSAEventSelect", "FD_READ FD_WRITE FD_CLOSE");
#endif
#if STEP >= 2 && STEP < 6
    events[event_count] = client->event;
    clients[event_count++] = client;
#elif STEP >= 6
    add_client(client);
#endif
#if STEP >= 5
    if (event_count == WSA_MAXIMUM_WAIT_EVENTS)
        stop_accepting("full");
#endif
}

/* Step 1: what happened? The call copies the record, clears it, and resets the event object. */
#if STEP < 2
static void serve_client(void)
#else
static void serve_client(DWORD place)
#endif
{
#if STEP < 3
    static char buffer[BUFFER_SIZE];
#endif
#if STEP >= 2
    struct client *client = clients[place];
#endif
    WSANETWORKEVENTS happened;
    char text[EVENTS_TEXT_SIZE];
#if STEP < 2
    WSAEnumNetworkEvents(client, events[CLIENT], &happened);
    narrate(1, "WSAEnumNetworkEvents", "%s", network_events_text(happened.lNetworkEvents, text));
    int bytes = recv(client, buffer, BUFFER_SIZE, 0);
    narrate(1, "recv", "%d bytes", bytes);
    narrate(1, "send", "%d bytes", send(client, buffer, bytes, 0));
#endif
#if STEP >= 2 && STEP < 6
    WSAEnumNetworkEvents(client->socket, client->event, &happened);
#elif STEP >= 6

    if (WSAEnumNetworkEvents(client->socket, client->event, &happened) == SOCKET_ERROR) {
        narrate_failure(client->number, "WSAEnumNetworkEvents", WSAGetLastError());
        happened.lNetworkEvents = 0; /* the call has written nothing */
        client->state = CLOSING;
    }
#endif
#if STEP >= 2
    narrate(client->number, "WSAEnumNetworkEvents", "%s",
            network_events_text(happened.lNetworkEvents, text));
#endif
#if STEP >= 3

#endif
#if STEP >= 4
    int error = event_error(&happened);
    if (error != 0) { /* for example WSAECONNABORTED with FD_CLOSE: the client is gone */
        narrate_failure(client->number, "network event", error);
        client->state = CLOSING;
    }
    if (happened.lNetworkEvents & FD_READ)
        client->readable = true;
#endif
#if STEP >= 3
    if (happened.lNetworkEvents & FD_CLOSE)
        client->peer_closed = true;
#endif
#if STEP == 3
    if (happened.lNetworkEvents & FD_READ || client->peer_closed)
#elif STEP >= 4
    if (happened.lNetworkEvents & FD_WRITE && client->state == SENDING)
        send_rest(client);
    if (client->state == RECEIVING && (client->readable || client->peer_closed))
#endif
#if STEP >= 3
        receive(client);

    /* Step 3: FD_CLOSE may come while bytes are still unread, and does not come again at the end
     * (when recv returns 0). So this makes the wait return for the client until the end is read. */
    if (client->state == RECEIVING && client->peer_closed)
        WSASetEvent(client->event);

#endif
#if STEP >= 6
    /* Step 6: a wait returns the index of the first signalled event. So a client that has been
     * served goes to the back: the first is then always the one served longest ago, and no client
     * starves. */
    remove_client(place);
#endif
#if STEP >= 3
    if (client->state == CLOSING) {
#endif
#if STEP >= 3 && STEP < 6
        remove_client(place);
#endif
#if STEP >= 3
        close_client(client);
#endif
#if STEP >= 5
        if (!accepting)
            start_accepting();
#endif
#if STEP >= 6
    } else {
        add_client(client);
#endif
#if STEP >= 3
    }
}

#endif
#if STEP >= 4
/* The error of an event that happened, or 0; the codes of the other events are not valid. */
static int event_error(const WSANETWORKEVENTS *happened)
{
    static const int bits[] = {FD_READ_BIT, FD_WRITE_BIT, FD_CLOSE_BIT};
    for (int i = 0; i < 3; i++) {
        if (happened->lNetworkEvents & (1L << bits[i]) && happened->iErrorCode[bits[i]] != 0)
            return happened->iErrorCode[bits[i]];
    }
    return 0;
}

#endif
#if STEP >= 3
/* Step 3: one recv per FD_READ. It makes FD_READ come again if bytes are left. An error, such as
 * a reset, ends this client only. */
static void receive(struct client *client)
{
#endif
#if STEP == 3
    static char buffer[BUFFER_SIZE];
#endif
#if STEP >= 2 && STEP < 4
    int bytes = recv(client->socket, buffer, BUFFER_SIZE, 0);
#elif STEP >= 4
    client->readable = false;
    int bytes = recv(client->socket, client->buffer, BUFFER_SIZE, 0);
#endif
#if STEP >= 3
    if (bytes == SOCKET_ERROR) {
        int error = WSAGetLastError();
        if (error == WSAEWOULDBLOCK) { /* no failure: those bytes have been read already */
            narrate(client->number, "recv", "nothing to receive (WSAEWOULDBLOCK)");
            return;
        }
        narrate_failure(client->number, "recv", error);
        client->state = CLOSING;
        return;
    }
#endif
#if STEP >= 2
    narrate(client->number, "recv", "%d bytes", bytes);
#endif
#if STEP >= 3
    if (bytes == 0) { /* the client has sent all it wanted, and all of it is echoed */
        shutdown(client->socket, SD_SEND);
        client->state = CLOSING;
        return;
    }
#endif
#if STEP >= 7
    /* TODO UPPER: from here until they are sent, the bytes belong to the program. */
#endif
#if STEP >= 2 && STEP < 4
    narrate(client->number, "send", "%d bytes", send(client->socket, buffer, bytes, 0));
#elif STEP >= 4
    client->received = bytes;
    client->sent = 0;
    send_rest(client);
#endif
}
#if STEP >= 3

#endif
#if STEP >= 4
/* Step 4: send until the system refuses. Only a refused send makes FD_WRITE come again. */
static void send_rest(struct client *client)
{
    client->state = SENDING;
    while (client->sent < client->received) {
        int bytes =
            send(client->socket, client->buffer + client->sent, client->received - client->sent, 0);
        if (bytes == SOCKET_ERROR) {
            int error = WSAGetLastError();
            if (error == WSAEWOULDBLOCK) {
                narrate(client->number, "send", "refused (WSAEWOULDBLOCK): FD_WRITE will come");
                return;
            }
            narrate_failure(client->number, "send", error);
            client->state = CLOSING;
            return;
        }
        narrate(client->number, "send", "%d bytes", bytes);
        client->sent += bytes;
#endif
#if STEP >= 7
        bytes_echoed += bytes;
#endif
#if STEP >= 4
    }
    client->state = RECEIVING;
}

#endif
#if STEP >= 5
/* Step 5: new clients then wait in the listener's backlog until there is a place for them. */
static void stop_accepting(const char *reason)
{
    if (WSAEventSelect(listener, events[LISTENER], 0) == SOCKET_ERROR)
        fail(WSAGetLastError(), "WSAEventSelect of the listener");
    WSAResetEvent(events[LISTENER]);
    accepting = false;
    narrate(0, "WSAEventSelect", "listener: nothing, %s", reason);
}

#endif
#if STEP >= 7
/* Step 7: no call is in progress in this model, so there is nothing to cancel or to wait for. What
 * has not been sent back yet is dropped. */
static void stop_serving(void)
{
    pause_narration(); /* leave this out to see each client closed */
    closesocket(listener);
    for (DWORD i = FIRST_CLIENT; i < event_count; i++)
        close_client(clients[i]);
    resume_narration();
    narrate(0, "closesocket", "all clients are closed");
    WSACloseEvent(events[LISTENER]);
    /* events[STOP] is left for the system to close: request_stop may still be using it. */
    print_summary(clients_served, bytes_echoed, 0);
}

/* Step 7: Ctrl+C is one more event in the same wait. */
static void request_stop(void)
{
    WSASetEvent(events[STOP]);
}

#endif
#if STEP >= 5
static WSAEVENT create_event(void)
{
    WSAEVENT event = WSACreateEvent(); /* manual-reset: signalled until it is reset */
    if (event == WSA_INVALID_EVENT)
        fail(WSAGetLastError(), "WSACreateEvent");
    return event;
}

#endif
#if STEP >= 6
static void add_client(struct client *client)
{
    events[event_count] = client->event;
    clients[event_count] = client;
    event_count++;
}

#endif
#if STEP >= 3
static void remove_client(DWORD place)
{
    event_count--;
    for (DWORD i = place; i < event_count; i++) {
        events[i] = events[i + 1];
        clients[i] = clients[i + 1];
    }
}

static void close_client(struct client *client)
{
    closesocket(client->socket); /* ends the registration; the event object remains */
    WSACloseEvent(client->event);
    narrate(client->number, "closesocket", "closed");
    free(client);
}
#endif
