# A CGI program: its environment is the request, its stdin the body, its stdout the answer (RFC 3875).
use strict;
use warnings;

my $sent = '';
read(STDIN, $sent, $ENV{CONTENT_LENGTH} || 0);
my %field = map { my ($name, $value) = split /=/, $_, 2; ($name, decoded($value // '')) } split /&/, $sent;

print "Content-Type: text/html; charset=utf-8\r\n\r\n";
print "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Orders</title>\n";
if ($ENV{REQUEST_METHOD} eq 'POST') {
    print "<p>Ordered: ", escaped($field{what} // 'nothing'), "</p>\n";
} else {
    print "<form method=\"post\"><input name=\"what\"> <button>Order</button></form>\n";
}
print "</html>\n";

sub decoded {
    my $text = shift;
    $text =~ tr/+/ /;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $text;
}

sub escaped {
    my $text = shift;
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;');
    $text =~ s/([&<>"])/$entity{$1}/g;
    return $text;
}
