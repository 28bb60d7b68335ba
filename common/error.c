/* error.c - what a failure looks like. See common.h. */
#include "common.h"

#include <stdarg.h>
#include <stdlib.h>

/* The errors that happen in these lessons. The system's own text comes without the name, and on a
 * Korean Windows in Korean; it is used for the errors that are not listed here. */
static const struct {
    int code;
    const char *name;
    const char *text;
} known_errors[] = {
#define KNOWN(number, sentence)                                                                    \
    {                                                                                              \
        .code = number, .name = #number, .text = sentence                                          \
    }
    KNOWN(WSA_INVALID_HANDLE, "the handle is not valid"),
    KNOWN(WSA_NOT_ENOUGH_MEMORY, "there is not enough memory"),
    KNOWN(WSA_INVALID_PARAMETER, "a parameter is not valid"),
    KNOWN(ERROR_NETNAME_DELETED, "the other side reset the connection"),
    KNOWN(ERROR_BROKEN_PIPE, "the other end of the pipe is closed"),
    KNOWN(WSA_WAIT_TIMEOUT, "the time is over"),
    KNOWN(WSA_OPERATION_ABORTED, "the operation was cancelled"),
    KNOWN(WSA_IO_INCOMPLETE, "the operation has not completed yet"),
    KNOWN(WSA_IO_PENDING, "the operation goes on and completes later"),
    KNOWN(ERROR_NOT_FOUND, "there is no such operation in progress"),
    KNOWN(ERROR_CONNECTION_REFUSED, "no program listens at this address and port"),
    KNOWN(ERROR_CONNECTION_ABORTED, "the connection was given up, or reset"),
    KNOWN(WSAEINTR, "the call was interrupted"),
    KNOWN(WSAEACCES, "the address or port is reserved, or another program holds it exclusively"),
    KNOWN(WSAEFAULT, "a pointer is not valid"),
    KNOWN(WSAEINVAL, "an argument is not valid, or the socket is in the wrong state"),
    KNOWN(WSAEMFILE, "there are no more sockets"),
    KNOWN(WSAEWOULDBLOCK, "the call cannot be completed immediately"),
    KNOWN(WSAEINPROGRESS, "another blocking call is in progress"),
    KNOWN(WSAEALREADY, "an earlier call of this kind is still in progress"),
    KNOWN(WSAENOTSOCK, "this is not a socket, or it was closed"),
    KNOWN(WSAEDESTADDRREQ, "the address of the other side is missing"),
    KNOWN(WSAEMSGSIZE, "the message is longer than the buffer"),
    KNOWN(WSAEOPNOTSUPP, "this socket does not offer this operation"),
    KNOWN(WSAEAFNOSUPPORT, "this machine does not offer this kind of address"),
    KNOWN(WSAEADDRINUSE, "another program, or a connection of one, already uses this port"),
    KNOWN(WSAEADDRNOTAVAIL, "this machine has no such address, or the port cannot be used"),
    KNOWN(WSAENETDOWN, "the network is down"),
    KNOWN(WSAENETUNREACH, "there is no way to that network"),
    KNOWN(WSAENETRESET, "the connection broke because nothing came back any more"),
    KNOWN(WSAECONNABORTED, "the connection was given up, or reset"),
    KNOWN(WSAECONNRESET, "the other side reset the connection"),
    KNOWN(WSAENOBUFS, "there is no more memory for sockets"),
    KNOWN(WSAEISCONN, "the socket is already connected"),
    KNOWN(WSAENOTCONN, "the socket is not connected"),
    KNOWN(WSAESHUTDOWN, "this side has already been shut down"),
    KNOWN(WSAETIMEDOUT, "the other side did not answer in time"),
    KNOWN(WSAECONNREFUSED, "no program listens at this address and port"),
    KNOWN(WSAEHOSTDOWN, "the other machine is down"),
    KNOWN(WSAEHOSTUNREACH, "there is no way to that machine"),
    KNOWN(WSASYSNOTREADY, "the network is not ready"),
    KNOWN(WSAVERNOTSUPPORTED, "this Winsock is older than version 2.2"),
    KNOWN(WSANOTINITIALISED, "WSAStartup has not been called"),
    KNOWN(WSATYPE_NOT_FOUND, "this kind of address has no such port"),
    KNOWN(WSAHOST_NOT_FOUND, "there is no host of this name"),
    KNOWN(WSATRY_AGAIN, "the name could not be looked up now; try again"),
    KNOWN(WSANO_RECOVERY, "the name could not be looked up"),
    KNOWN(WSANO_DATA, "the name has no address of this kind"),
#undef KNOWN
};

/* The system's text without its line ends; characters that are not ASCII become '?', because the
 * console's code page may not have them. */
static void system_text(int error, char *text, DWORD size)
{
    const DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
    const DWORD english = MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US);
    DWORD length = FormatMessageA(flags, NULL, (DWORD)error, english, text, size, NULL);
    if (length == 0)
        length = FormatMessageA(flags, NULL, (DWORD)error, 0, text, size, NULL);
    while (length > 0 && (text[length - 1] == '\r' || text[length - 1] == '\n'))
        length--;
    text[length] = '\0';
    for (char *c = text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    if (length == 0)
        snprintf(text, size, "the system has no text for this error");
}

const char *error_text(int error, char *text)
{
    for (size_t i = 0; i < sizeof known_errors / sizeof known_errors[0]; i++) {
        if (known_errors[i].code == error) {
            snprintf(text, ERROR_TEXT_SIZE, "%s (%d): %s", known_errors[i].name, error,
                     known_errors[i].text);
            return text;
        }
    }
    char from_system[256];
    system_text(error, from_system, sizeof from_system);
    snprintf(text, ERROR_TEXT_SIZE, "error (%d): %s", error, from_system);
    return text;
}

NORETURN void fail(int error, const char *tried, ...)
{
    char line[600];
    va_list arguments;
    va_start(arguments, tried);
    vsnprintf(line, sizeof line, tried, arguments);
    va_end(arguments);

    fflush(stdout);
    if (error != 0) {
        char text[ERROR_TEXT_SIZE];
        fprintf(stderr, "%s: %s: %s\n", program_name, line, error_text(error, text));
    } else {
        fprintf(stderr, "%s: %s\n", program_name, line);
    }
    exit(1);
}
