/*
 * few_sockets.h - a machine on which a server can have two clients at a time: the next accept fails
 * with WSAEMFILE. steps_test.sh compiles a server with  -include few_sockets.h .
 *
 * The client for which there is no socket is accepted behind the server's back. So FD_ACCEPT does
 * not come again for it, which Windows also allows.
 */
#include "../../common/common.h"

enum { MOST_SOCKETS = 2 };

static int open_sockets;
static SOCKET waiting = INVALID_SOCKET; /* the client for which there was no socket */

static inline SOCKET few_accept(SOCKET listener, struct sockaddr *address, int *length)
{
    if (waiting == INVALID_SOCKET)
        waiting = accept(listener, address, length);
    if (waiting != INVALID_SOCKET && open_sockets == MOST_SOCKETS) {
        WSASetLastError(WSAEMFILE);
        return INVALID_SOCKET;
    }
    SOCKET accepted = waiting;
    waiting = INVALID_SOCKET;
    open_sockets += accepted != INVALID_SOCKET;
    return accepted;
}

static inline int few_closesocket(SOCKET socket)
{
    open_sockets--;
    return closesocket(socket);
}

#define accept      few_accept
#define closesocket few_closesocket
