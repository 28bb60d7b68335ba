/* scripted_server.c - a server inside the checks. See scripted_server.h. */
#include "scripted_server.h"
#include "peers.h"
#include "pace.h"

#include <stdlib.h>

struct script_client {
    struct script_server *server;
    SOCKET socket;
};

static bool send_fully(SOCKET client, const char *bytes, int length)
{
    while (length > 0) {
        int sent = send(client, bytes, length, 0);
        if (sent == SOCKET_ERROR)
            return false;
        bytes += sent;
        length -= sent;
    }
    return true;
}

static void echo(SOCKET client, int fragments)
{
    static char bytes[16 * 1024];
    const BOOL yes = TRUE;
    int received;

    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes, sizeof yes);
    while ((received = recv(client, bytes, sizeof bytes, 0)) > 0) {
        int sent = 0;
        for (; sent < received && fragments > 0; fragments--, sent++) {
            if (!send_fully(client, bytes + sent, 1))
                return;
            Sleep(1);
        }
        if (!send_fully(client, bytes + sent, received - sent))
            return;
    }
}

static DWORD WINAPI echo_to_one(void *parameter)
{
    struct script_client *client = parameter;
    char bytes[4 * 1024];
    int received;

    while ((received = recv(client->socket, bytes, sizeof bytes, 0)) > 0 &&
           send_fully(client->socket, bytes, received))
        InterlockedExchangeAdd(&client->server->bytes, received);
    closesocket(client->socket);
    InterlockedDecrement(&client->server->clients);
    free(client);
    return 0;
}

static void echo_to_many(struct script_server *server)
{
    SOCKET socket;
    while ((socket = accept(server->listener, NULL, NULL)) != INVALID_SOCKET) {
        struct script_client *client = malloc(sizeof *client);
        if (client == NULL)
            fail(WSA_NOT_ENOUGH_MEMORY, "memory for a client of the scripted server");
        client->server = server;
        client->socket = socket;
        InterlockedIncrement(&server->clients);
        HANDLE thread = CreateThread(NULL, 64 * 1024, echo_to_one, client,
                                     STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
        if (thread == NULL)
            fail((int)GetLastError(), "CreateThread");
        CloseHandle(thread);
    }
}

static void spoil_one_byte(SOCKET client)
{
    char bytes[1000];
    int received, position = 0;

    while ((received = recv(client, bytes, sizeof bytes, 0)) > 0) {
        if (position <= 5000 && 5000 < position + received)
            bytes[5000 - position] ^= 1;
        position += received;
        if (!send_fully(client, bytes, received))
            return;
    }
}

/* A client may send its line in several pieces. Receives them until it pauses, and returns how many
 * bytes that are. */
static int receive_until_pause(SOCKET client, char *bytes, int size)
{
    enum { PAUSE_MS = 200 };
    int received = 0, more;

    do {
        more = recv(client, bytes + received, size - received, 0);
        if (more > 0)
            received += more;
    } while (more > 0 && received < size && wait_for_socket(client, READABLE, PAUSE_MS) != 0);
    return received;
}

static DWORD WINAPI play(void *parameter)
{
    struct script_server *server = parameter;
    char bytes[1000];

    if (server->script == ECHO_MANY) {
        echo_to_many(server);
        return 0;
    }
    SOCKET client = accept(server->listener, NULL, NULL);

    if (client == INVALID_SOCKET)
        return 0;
    switch (server->script) {
    case ECHO:
        echo(client, 0);
        break;
    case FRAGMENTS:
        echo(client, 300);
        break;
    case LATE:
        Sleep(500);
        echo(client, 0);
        break;
    case CUT:
    case RESET: {
        int received = receive_until_pause(client, bytes, sizeof bytes);
        send_fully(client, bytes, received / 2);
        Sleep(50);
        break;
    }
    case SILENT:
        while (recv(client, bytes, sizeof bytes, 0) > 0)
            continue;
        wait_for_socket(client, READABLE, patience_ms); /* readable when the client has gone */
        break;
    case WRONG_BYTE:
        spoil_one_byte(client);
        break;
    case ECHO_MANY:
    case CLOSE:
        break;
    }
    if (server->script == RESET) {
        reset_peer(client);
    } else {
        shutdown(client, SD_SEND);
        closesocket(client);
    }
    return 0;
}

void start_script(struct script_server *server, enum script script)
{
    struct sockaddr_in address;
    int length = sizeof address;

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->script = script;
    server->clients = 0;
    server->bytes = 0;
    server->listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (server->listener == INVALID_SOCKET ||
        bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, SOMAXCONN) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &length) != 0)
        fail(WSAGetLastError(), "the scripted server");
    server->port = ntohs(address.sin_port);
    server->thread = CreateThread(NULL, 0, play, server, 0, NULL);
    if (server->thread == NULL)
        fail((int)GetLastError(), "CreateThread");
}

void stop_script(struct script_server *server)
{
    closesocket(server->listener); /* ends an accept to which no client came */
    WaitForSingleObject(server->thread, patience_ms);
    CloseHandle(server->thread);
    for (int i = 0; server->clients > 0 && i < patience_ms / 10; i++)
        Sleep(10);
}
