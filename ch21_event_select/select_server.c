/*
 * Chapter 21, for contrast: synchronous notification with select - the same echo server.
 *
 * select waits *until* a socket is ready: the call that asks also brings the answer. Compare with
 * server.c, where WSAEventSelect returns immediately and an event is signalled later.
 *
 *   cl  /std:c11 select_server.c ..\common\*.c
 *   gcc -std=c11 select_server.c ..\common\*.c -o select_server.exe -lws2_32
 *
 * Left simple on purpose: FD_SETSIZE stays at 64 sockets; when memory or sockets run out, the
 * server ends; and a shutdown drops what is still on its way.
 */
#include "../common/common.h"

#include <stdlib.h>

enum {
    BUFFER_SIZE = 128 * 1024,

    /* A set takes FD_SETSIZE (64) sockets at most: the stop socket, the listener, the clients. */
    MAX_CLIENTS = FD_SETSIZE - 2
};

enum state { RECEIVING, SENDING, CLOSING };

struct client {
    SOCKET socket;
    int number;
    enum state state;
    int received; /* bytes in buffer */
    int sent;     /* how many of them have been sent back */
    char buffer[BUFFER_SIZE];
};

static SOCKET listener;
static SOCKET stop_socket;

static struct client *clients[MAX_CLIENTS];
static int client_count;

static int clients_served;
static long long bytes_echoed;

static void serve_until_stopped(void);
static void accept_client(void);
static void serve_clients(const fd_set *readable, const fd_set *writable);
static void receive(struct client *client);
static void send_rest(struct client *client);
static void stop_serving(void);
static void request_stop(void);
static SOCKET create_stop_socket(void);
static void make_non_blocking(SOCKET blocking);
static void close_client(struct client *client);

int main(int argc, char **argv)
{
    struct arguments arguments = read_server_arguments(argc, argv);
    start_narration(arguments.quiet, stdout);
    start_winsock();

    stop_socket = create_stop_socket();
    call_on_ctrl_c(request_stop);

    struct addrinfo *address = find_addresses(arguments.host, arguments.port);
    listener = socket(address->ai_family, SOCK_STREAM, IPPROTO_TCP);
    if (listener == INVALID_SOCKET)
        fail(WSAGetLastError(), "socket");
    listen_at(listener, address);
    freeaddrinfo(address);
    make_non_blocking(listener);
    narrate(0, "listen", "64 sockets a set: stop, listener, at most %d clients", MAX_CLIENTS);

    serve_until_stopped();
    stop_serving();

    stop_winsock();
    return 0;
}

static void serve_until_stopped(void)
{
    for (;;) {
        fd_set readable, writable;

        /* select leaves only the ready sockets in the sets: they must be filled again each time. */
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        FD_SET(stop_socket, &readable);
        if (client_count < MAX_CLIENTS)
            FD_SET(listener, &readable);
        for (int i = 0; i < client_count; i++)
            FD_SET(clients[i]->socket, clients[i]->state == SENDING ? &writable : &readable);

        narrate(0, "select", "wait for one of %u sockets", readable.fd_count + writable.fd_count);
        /* An empty set must not be passed; readable contains at least the stop socket. */
        int ready = select(0, &readable, writable.fd_count > 0 ? &writable : NULL, NULL, NULL);
        if (ready == SOCKET_ERROR)
            fail(WSAGetLastError(), "select");
        narrate(0, "select", "%d sockets are ready", ready);

        if (FD_ISSET(stop_socket, &readable))
            return;
        serve_clients(&readable, &writable);
        if (FD_ISSET(listener, &readable))
            accept_client();
    }
}

static void accept_client(void)
{
    SOCKET accepted = accept(listener, NULL, NULL);
    if (accepted == INVALID_SOCKET) {
        int error = WSAGetLastError();
        narrate_failure(0, "accept", error);
        if (error == WSAEMFILE || error == WSAENOBUFS)
            fail(error, "accept");
        return; /* any other error: that client has already gone */
    }
    make_non_blocking(accepted); /* even a ready socket may not take all of a send */

    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        fail(WSA_NOT_ENOUGH_MEMORY, "memory for a client");
    client->socket = accepted;
    client->number = ++clients_served;
    client->state = RECEIVING;
    clients[client_count++] = client;
    narrate(client->number, "accept", "client %d of at most %d", client_count, MAX_CLIENTS);
    if (client_count == MAX_CLIENTS)
        narrate(0, "select", "the listener is left out of the set, full");
}

/* Serves the clients that select found ready, and closes those that have ended. */
static void serve_clients(const fd_set *readable, const fd_set *writable)
{
    int kept = 0;

    for (int i = 0; i < client_count; i++) {
        struct client *client = clients[i];
        if (FD_ISSET(client->socket, writable))
            send_rest(client);
        else if (FD_ISSET(client->socket, readable))
            receive(client);
        if (client->state == CLOSING)
            close_client(client);
        else
            clients[kept++] = client;
    }
    client_count = kept;
}

static void receive(struct client *client)
{
    int bytes = recv(client->socket, client->buffer, BUFFER_SIZE, 0);
    if (bytes == SOCKET_ERROR) {
        int error = WSAGetLastError();
        if (error == WSAEWOULDBLOCK) {
            narrate(client->number, "recv", "nothing to receive (WSAEWOULDBLOCK)");
            return;
        }
        narrate_failure(client->number, "recv", error);
        client->state = CLOSING;
        return;
    }
    narrate(client->number, "recv", "%d bytes", bytes);
    if (bytes == 0) { /* the client has sent all it wanted, and all of it is echoed */
        shutdown(client->socket, SD_SEND);
        client->state = CLOSING;
        return;
    }
    client->received = bytes;
    client->sent = 0;
    send_rest(client);
}

static void send_rest(struct client *client)
{
    client->state = SENDING;
    while (client->sent < client->received) {
        int bytes =
            send(client->socket, client->buffer + client->sent, client->received - client->sent, 0);
        if (bytes == SOCKET_ERROR) {
            int error = WSAGetLastError();
            if (error == WSAEWOULDBLOCK) {
                narrate(client->number, "send", "refused (WSAEWOULDBLOCK)");
                return;
            }
            narrate_failure(client->number, "send", error);
            client->state = CLOSING;
            return;
        }
        narrate(client->number, "send", "%d bytes", bytes);
        client->sent += bytes;
        bytes_echoed += bytes;
    }
    client->state = RECEIVING;
}

static void stop_serving(void)
{
    pause_narration(); /* leave this out to see each client closed */
    closesocket(listener);
    while (client_count > 0)
        close_client(clients[--client_count]);
    resume_narration();
    narrate(0, "closesocket", "all clients are closed");
    /* stop_socket is left for the system to close: request_stop may still be using it. */
    print_summary(clients_served, bytes_echoed, 0);
}

/* select waits for sockets only, so Ctrl+C has to come through one. */
static void request_stop(void)
{
    send(stop_socket, "", 1, 0);
}

/* A datagram socket that is connected to itself: what it sends makes it readable. */
static SOCKET create_stop_socket(void)
{
    struct sockaddr_in address;
    int length = sizeof address;
    SOCKET created = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (created == INVALID_SOCKET ||
        bind(created, (struct sockaddr *)&address, sizeof address) == SOCKET_ERROR ||
        getsockname(created, (struct sockaddr *)&address, &length) == SOCKET_ERROR ||
        connect(created, (struct sockaddr *)&address, sizeof address) == SOCKET_ERROR)
        fail(WSAGetLastError(), "the stop socket");
    return created;
}

static void make_non_blocking(SOCKET blocking)
{
    u_long yes = 1;
    if (ioctlsocket(blocking, FIONBIO, &yes) == SOCKET_ERROR)
        fail(WSAGetLastError(), "FIONBIO");
}

static void close_client(struct client *client)
{
    closesocket(client->socket);
    narrate(client->number, "closesocket", "closed");
    free(client);
}
