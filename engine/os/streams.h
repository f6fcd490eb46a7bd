/* Standard streams. A program may run with standard input, output or error closed, as daemons do. On POSIX the next file that is opened then gets number
 * 0, 1 or 2, and what the host prints goes into it. So the library holds no descriptor below 3. Windows has no such numbers. */
#ifndef OS_STREAMS_H
#define OS_STREAMS_H

/* Drivers and the Vulkan loader open files, too, and drivers on threads of their own. Between these two calls each number of 0 to 2 that was closed
 * is /dev/null, so that a driver's files get other numbers. Reading and writing fail there as before. The host may open a file of its own in such a
 * place, which then stays; only not at the very moment of the last release. The calls nest and may come from any thread. */
void os_streams_hold(void);
void os_streams_release(void);

#endif
