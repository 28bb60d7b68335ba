/* setjmp.h - see vcruntime.h. Only clang's intrin.h asks for it. */
#pragma once

typedef int jmp_buf[64];
