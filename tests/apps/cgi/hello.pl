print "Content-Type: text/plain\n\nhello from Perl: $0 $ENV{PATH_INFO}\n";
