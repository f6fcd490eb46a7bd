/* What of <assert.h> Microsoft's C library has, for check_msvc.sh. */
#ifndef MSVC_ASSERT_H
#define MSVC_ASSERT_H

#include <stddef.h>

void _wassert(const wchar_t *text, const wchar_t *file, unsigned line);
#define assert(holds) ((holds) ? (void)0 : _wassert(L"" #holds, L"" __FILE__, __LINE__))
#define static_assert _Static_assert

#endif
