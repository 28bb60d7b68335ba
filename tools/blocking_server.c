/*
 * blocking_server.c - the baseline that the models are measured against: an echo server with
 * one thread per client and blocking calls. Ctrl+C ends it immediately; it promises nothing else.
 */
#include "../common/common.h"

#include <stdlib.h>

enum { BUFFER_SIZE = 128 * 1024 };

static DWORD WINAPI serve(void *parameter)
{
    SOCKET client = (SOCKET)(ULONG_PTR)parameter;
    char *buffer = malloc(BUFFER_SIZE);
    int received;

    while (buffer != NULL && (received = recv(client, buffer, BUFFER_SIZE, 0)) > 0) {
        if (send(client, buffer, received, 0) != received)
            break; /* a blocking send takes everything or fails */
    }
    shutdown(client, SD_SEND);
    closesocket(client);
    free(buffer);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = read_server_arguments(argc, argv);
    start_winsock();
    struct addrinfo *address = find_addresses(arguments.host, arguments.port);
    SOCKET listener = socket(address->ai_family, SOCK_STREAM, IPPROTO_TCP);
    if (listener == INVALID_SOCKET)
        fail(WSAGetLastError(), "socket");
    listen_at(listener, address);
    freeaddrinfo(address);
    for (;;) {
        SOCKET client = accept(listener, NULL, NULL);
        if (client == INVALID_SOCKET)
            fail(WSAGetLastError(), "accept");
        HANDLE thread = CreateThread(NULL, 0, serve, (void *)(ULONG_PTR)client, 0, NULL);
        if (thread == NULL)
            closesocket(client);
        else
            CloseHandle(thread);
    }
}
