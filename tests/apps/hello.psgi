# A PSGI application in Perl: tells what it was asked.
use strict;
use warnings;

sub {
    my $env = shift;
    my $body = '';
    $env->{'psgi.input'}->read($body, $env->{CONTENT_LENGTH} // 0);
    my @names = qw(REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING REMOTE_ADDR SERVER_PROTOCOL HTTP_HOST);
    my @lines = map { "$_=" . ($env->{$_} // '') } @names;
    return [200, ['Content-Type' => 'text/plain'], [join("\n", "pid=$$", @lines, "body=$body", '')]];
};
