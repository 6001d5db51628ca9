#pragma once
init { skip }
// error: 1:2: #pragma is not read here
// instead: #define
