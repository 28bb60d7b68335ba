/* address.c - names, addresses and the listening socket. See common.h. */
#include "common.h"

struct addrinfo *find_addresses(const char *host, const char *port)
{
    struct addrinfo wanted;
    struct addrinfo *found = NULL;

    memset(&wanted, 0, sizeof wanted);
    wanted.ai_family = AF_UNSPEC; /* IPv4 and IPv6 */
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_protocol = IPPROTO_TCP;
    int error = getaddrinfo(host, port, &wanted, &found);
    if (error != 0)
        fail(error, "look up %s", host);
    return found;
}

const char *address_text(const struct sockaddr *address, int length, char *text)
{
    char host[ADDRESS_TEXT_SIZE - 9]; /* room for the brackets, the colon and a port */
    char port[6];

    int error = getnameinfo(address, length, host, sizeof host, port, sizeof port,
                            NI_NUMERICHOST | NI_NUMERICSERV);
    if (error != 0)
        snprintf(text, ADDRESS_TEXT_SIZE, "(unknown address)");
    else if (address->sa_family == AF_INET6)
        snprintf(text, ADDRESS_TEXT_SIZE, "[%s]:%s", host, port);
    else
        snprintf(text, ADDRESS_TEXT_SIZE, "%s:%s", host, port);
    return text;
}

void listen_at(SOCKET listener, const struct addrinfo *address)
{
    char text[ADDRESS_TEXT_SIZE];
    const BOOL yes = TRUE;
    const DWORD no = 0;

    address_text(address->ai_addr, (int)address->ai_addrlen, text);
    /* Without this, another program could bind the same port with SO_REUSEADDR and take over the
     * clients. (On Windows SO_REUSEADDR allows more than on other systems.) */
    if (setsockopt(listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&yes, sizeof yes) != 0)
        fail(WSAGetLastError(), "SO_EXCLUSIVEADDRUSE %s", text);
    /* Lets a listener at :: accept IPv4 clients as well. */
    if (address->ai_family == AF_INET6 &&
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, (const char *)&no, sizeof no) != 0)
        fail(WSAGetLastError(), "IPV6_V6ONLY %s", text);
    if (bind(listener, address->ai_addr, (int)address->ai_addrlen) != 0)
        fail(WSAGetLastError(), "bind %s", text);
    if (listen(listener, SOMAXCONN) != 0)
        fail(WSAGetLastError(), "listen %s", text);

    struct sockaddr_storage bound;
    int length = sizeof bound;
    if (getsockname(listener, (struct sockaddr *)&bound, &length) != 0)
        fail(WSAGetLastError(), "getsockname %s", text);
    printf("listening on %s\n", address_text((struct sockaddr *)&bound, length, text));
    fflush(stdout);
}
