module scout.test/httptrace

go 1.19
