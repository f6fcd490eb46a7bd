/* What of <stdlib.h> Microsoft's C library has, for check_msvc.sh. */
#ifndef MSVC_STDLIB_H
#define MSVC_STDLIB_H

#include <stddef.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX 0x7fff

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);
void free(void *memory);
__declspec(noreturn) void abort(void);
__declspec(noreturn) void exit(int code);
__declspec(noreturn) void _Exit(int code);
int atexit(void (*function)(void));
char *getenv(const char *name);
int system(const char *command);
int abs(int x);
long labs(long x);
long long llabs(long long x);
int rand(void);
void srand(unsigned seed);
int atoi(const char *text);
long atol(const char *text);
double atof(const char *text);
double strtod(const char *text, char **end);
float strtof(const char *text, char **end);
long strtol(const char *text, char **end, int base);
unsigned long strtoul(const char *text, char **end, int base);
long long strtoll(const char *text, char **end, int base);
unsigned long long strtoull(const char *text, char **end, int base);
size_t mbstowcs(wchar_t *out, const char *text, size_t most);
size_t wcstombs(char *out, const wchar_t *text, size_t most);
void qsort(void *list, size_t count, size_t size, int(__cdecl *compare)(const void *a, const void *b));
void *bsearch(const void *key, const void *list, size_t count, size_t size,
              int(__cdecl *compare)(const void *a, const void *b));

/* Microsoft's own */
int _putenv_s(const char *name, const char *value);
char *_fullpath(char *out, const char *path, size_t room);

#endif
