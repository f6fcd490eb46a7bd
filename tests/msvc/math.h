/* What of <math.h> Microsoft's C library has, for check_msvc.sh. */
#ifndef MSVC_MATH_H
#define MSVC_MATH_H

#define HUGE_VAL ((double)INFINITY)
#define INFINITY ((float)(1e+300 * 1e+300))
#define NAN (-(float)(INFINITY * 0.0F))

short _dtest(double *x);
short _dclass(double x);
int _dsign(double x);
#define fpclassify(x) (_dclass((double)(x)))
#define isfinite(x) (fpclassify(x) <= 0)
#define isinf(x) (fpclassify(x) == 1)
#define isnan(x) (fpclassify(x) == 2)
#define signbit(x) (_dsign((double)(x)) != 0)

#define ONE(name)                                                                                                      \
    double name(double x);                                                                                             \
    float name##f(float x);
ONE(acos)
ONE(asin)
ONE(atan)
ONE(cbrt)
ONE(ceil)
ONE(cos)
ONE(cosh)
ONE(erf)
ONE(erfc)
ONE(exp)
ONE(exp2)
ONE(expm1)
ONE(fabs)
ONE(floor)
ONE(lgamma)
ONE(log)
ONE(log10)
ONE(log1p)
ONE(log2)
ONE(nearbyint)
ONE(rint)
ONE(round)
ONE(sin)
ONE(sinh)
ONE(sqrt)
ONE(tan)
ONE(tanh)
ONE(trunc)
#undef ONE
#define TWO(name)                                                                                                      \
    double name(double x, double y);                                                                                   \
    float name##f(float x, float y);
TWO(atan2)
TWO(copysign)
TWO(fmax)
TWO(fmin)
TWO(fmod)
TWO(hypot)
TWO(nextafter)
TWO(pow)
TWO(remainder)
#undef TWO
double fma(double x, double y, double z);
double frexp(double x, int *exponent);
double ldexp(double x, int exponent);
float ldexpf(float x, int exponent);
long lround(double x);
long lroundf(float x);
long lrint(double x);
long lrintf(float x);
long long llround(double x);
long long llrint(double x);
double modf(double x, double *whole);
double scalbn(double x, int exponent);

#endif
