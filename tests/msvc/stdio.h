/* What of <stdio.h> Microsoft's C library has, for check_msvc.sh. */
#ifndef MSVC_STDIO_H
#define MSVC_STDIO_H

#include <stdarg.h>
#include <stddef.h>

typedef struct _iobuf FILE;
typedef long long fpos_t;
FILE *__acrt_iob_func(unsigned index);
#define stdin (__acrt_iob_func(0))
#define stdout (__acrt_iob_func(1))
#define stderr (__acrt_iob_func(2))
enum { SEEK_SET, SEEK_CUR, SEEK_END };
#define EOF (-1)
#define BUFSIZ 512
#define _IOFBF 0x0000
#define _IOLBF 0x0040
#define _IONBF 0x0004

FILE *fopen(const char *path, const char *mode);
FILE *freopen(const char *path, const char *mode, FILE *stream);
FILE *tmpfile(void);
int fclose(FILE *stream);
int fflush(FILE *stream);
int setvbuf(FILE *stream, char *buffer, int mode, size_t size);
size_t fread(void *data, size_t size, size_t count, FILE *stream);
size_t fwrite(const void *data, size_t size, size_t count, FILE *stream);
int fseek(FILE *stream, long offset, int from);
long ftell(FILE *stream);
void rewind(FILE *stream);
int feof(FILE *stream);
int ferror(FILE *stream);
void clearerr(FILE *stream);
int fgetc(FILE *stream);
int getc(FILE *stream);
int getchar(void);
int ungetc(int c, FILE *stream);
char *fgets(char *text, int room, FILE *stream);
int fputc(int c, FILE *stream);
int putc(int c, FILE *stream);
int putchar(int c);
int fputs(const char *text, FILE *stream);
int puts(const char *text);
int remove(const char *path);
int rename(const char *from, const char *to);

int printf(const char *format, ...);
int fprintf(FILE *stream, const char *format, ...);
int sprintf(char *out, const char *format, ...);
int snprintf(char *out, size_t room, const char *format, ...);
int vprintf(const char *format, va_list list);
int vfprintf(FILE *stream, const char *format, va_list list);
int vsnprintf(char *out, size_t room, const char *format, va_list list);
int sscanf(const char *text, const char *format, ...);

/* Microsoft's own */
int _fileno(FILE *stream);
FILE *_fdopen(int file, const char *mode);

#endif
